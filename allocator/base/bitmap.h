// A fixed set of small numbers with a fast "next member from here".
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_BASE_BITMAP_H_
#define MYONLY_ALLOCATOR_BASE_BITMAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/numeric/bits.h"

namespace myonly::internal {

template <size_t kSize>
class Bitmap {
 public:
  void Set(size_t i) { words_[i / 64] |= uint64_t{1} << (i % 64); }
  void Clear(size_t i) { words_[i / 64] &= ~(uint64_t{1} << (i % 64)); }
  bool Test(size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }

  // The smallest member >= `i`, or kSize when there is none. `i` <= kSize.
  size_t FindNext(size_t i) const {
    if (i >= kSize) return kSize;
    size_t w = i / 64;
    uint64_t word = words_[w] & (~uint64_t{0} << (i % 64));
    while (word == 0) {
      if (++w == kWords) return kSize;
      word = words_[w];
    }
    return w * 64 + static_cast<size_t>(absl::countr_zero(word));
  }

 private:
  static constexpr size_t kWords = (kSize + 63) / 64;
  uint64_t words_[kWords] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_BITMAP_H_
