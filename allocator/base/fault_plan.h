// Which requests shall fail, for the tests of programs: the nth, some at random
// by a seed, only large ones, no more than so many.
//
// The same plan fails the same requests each time: whether the nth one does
// depends on the plan and on n alone. Thread-safe but for Begin and End.
#ifndef MYONLY_ALLOCATOR_BASE_FAULT_PLAN_H_
#define MYONLY_ALLOCATOR_BASE_FAULT_PLAN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"

namespace myonly::internal {

struct FaultOptions {
  uint64_t seed = 0;
  uint64_t fail_nth = 0;   // of the requests that count, from 1 on; 0: none
  uint64_t threshold = 0;  // of 2^32, so many fail by chance
  size_t above_bytes = 0;  // only larger requests count; 0: all do
  uint64_t most = 0;       // failures; 0 = any number
};

class FaultPlan {
 public:
  constexpr FaultPlan() = default;

  bool is_on() const { return is_on_.load(std::memory_order_acquire); }

  void Begin(const FaultOptions& options) {
    options_ = options;
    requests_.store(0, std::memory_order_relaxed);
    failures_.store(0, std::memory_order_relaxed);
    is_on_.store(true, std::memory_order_release);
  }
  // Returns how many requests have failed.
  uint64_t End() {
    is_on_.store(false, std::memory_order_relaxed);
    return failures_.load(std::memory_order_relaxed);
  }

  // One more request; whether it shall fail. Only while it is on.
  ABSL_ATTRIBUTE_COLD bool Fails(size_t size) {
    if (options_.above_bytes != 0 && size <= options_.above_bytes) return false;
    const uint64_t n = requests_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (n != options_.fail_nth && Chance(n) >= options_.threshold) return false;
    uint64_t failures = failures_.load(std::memory_order_relaxed);
    do {
      if (options_.most != 0 && failures >= options_.most) return false;
    } while (!failures_.compare_exchange_weak(failures, failures + 1,
                                              std::memory_order_relaxed));
    return true;
  }

 private:
  // A number below 2^32 for the nth request (Steele, Lea and Flood, "Fast
  // splittable pseudorandom number generators", 2014).
  uint64_t Chance(uint64_t n) const {
    uint64_t x = options_.seed + n * 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return (x ^ (x >> 31)) >> 32;
  }

  std::atomic<bool> is_on_{false};
  FaultOptions options_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> failures_{0};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_FAULT_PLAN_H_
