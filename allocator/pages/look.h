// A look at memory that others may give up meanwhile, without their locks.
//
// In the preset secure memory that nobody uses any more may fault, and where
// addresses are short it may be unmapped. While somebody looks none of that
// begins, so that what a slice had when it was asked whose it is stays readable
// until the look is over. Nobody waits: what would fault is left as it is.
//
// Thread-safe, also from a signal handler.
#ifndef MYONLY_ALLOCATOR_PAGES_LOOK_H_
#define MYONLY_ALLOCATOR_PAGES_LOOK_H_

#include <atomic>
#include <cstdint>

namespace myonly::internal {

class Look {
 public:
  // Before slices are asked whose they are.
  Look() { looks_.fetch_add(1, std::memory_order_acq_rel); }
  ~Look() { looks_.fetch_sub(1, std::memory_order_release); }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;

  // By who lets memory fault, after its slices have said that they are nobody's
  // or another's.
  static bool IsOn() {
    // Written, so that a look which is not seen here sees what was said before.
    return looks_.fetch_add(0, std::memory_order_acq_rel) != 0;
  }

  // In the child of a fork: the other threads are gone.
  static void ResetAfterFork() { looks_.store(0, std::memory_order_relaxed); }

 private:
  inline static std::atomic<uint32_t> looks_{0};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_LOOK_H_
