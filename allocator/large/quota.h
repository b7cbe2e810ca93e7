// How many bytes of pages an arena holds, and how many it may. What is held
// never passes the limit, whatever threads do: a charge is made before pages
// are taken, and returned after they are given back.
//
// Thread-safe; takes no lock.
#ifndef MYONLY_ALLOCATOR_LARGE_QUOTA_H_
#define MYONLY_ALLOCATOR_LARGE_QUOTA_H_

#include <atomic>
#include <cstddef>

namespace myonly::internal {

class Quota {
 public:
  // False and nothing changed if that would pass the limit.
  bool Charge(size_t bytes) {
    size_t charged = charged_.load(std::memory_order_relaxed);
    do {
      const size_t limit = limit_bytes();
      if (limit != 0 && (charged > limit || bytes > limit - charged)) {
        return false;
      }
    } while (!charged_.compare_exchange_weak(charged, charged + bytes,
                                             std::memory_order_relaxed));
    return true;
  }
  void Return(size_t bytes) {
    charged_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  // What could not be given back is nobody's any more.
  void Forget() { charged_.store(0, std::memory_order_relaxed); }

  size_t charged_bytes() const {
    return charged_.load(std::memory_order_relaxed);
  }
  // 0 = no limit.
  size_t limit_bytes() const { return limit_.load(std::memory_order_relaxed); }
  void set_limit_bytes(size_t bytes) {
    limit_.store(bytes, std::memory_order_relaxed);
  }

 private:
  std::atomic<size_t> charged_{0};
  std::atomic<size_t> limit_{0};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_QUOTA_H_
