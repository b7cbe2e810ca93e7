// A block that knows what is in it, so that any thread can check it.
#ifndef MYONLY_TESTS_CONCURRENCY_BLOCK_H_
#define MYONLY_TESTS_CONCURRENCY_BLOCK_H_

#include <string.h>

#include <cstddef>
#include <cstdint>

namespace myonly::testing {

struct TaggedBlock {
  char* start = nullptr;
  size_t size = 0;
  char tag = 0;

  // The ends and the middle: enough to notice another owner.
  static constexpr size_t kChecked = 64;

  void Fill() {
    if (size <= 3 * kChecked) {
      memset(start, tag, size);
      return;
    }
    memset(start, tag, kChecked);
    memset(start + size / 2, tag, kChecked);
    memset(start + size - kChecked, tag, kChecked);
  }

  bool Holds() const {
    if (size <= 3 * kChecked) return AllTag(start, size);
    return AllTag(start, kChecked) && AllTag(start + size / 2, kChecked) &&
           AllTag(start + size - kChecked, kChecked);
  }

 private:
  bool AllTag(const char* from, size_t bytes) const {
    for (size_t i = 0; i < bytes; ++i) {
      if (from[i] != tag) return false;
    }
    return true;
  }
};

// Small, fast and one per thread.
class ThreadRandom {
 public:
  explicit ThreadRandom(uint32_t seed) : state_(seed * 2654435761u + 1) {}

  size_t Below(size_t bound) {
    state_ = state_ * 1664525 + 1013904223;
    return (state_ >> 8) % bound;
  }
  // Mostly small, now and then of every store.
  size_t Size() {
    const size_t kind = Below(1000);
    if (kind < 800) return 1 + Below(500);
    if (kind < 960) return 1 + Below(16000);
    if (kind < 998) return 1 + Below(300000);
    return 1 + Below(size_t{12} << 20);
  }

 private:
  uint32_t state_;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CONCURRENCY_BLOCK_H_
