// Which bin holds a free block of a size, and which quick list.
//
// Bins: two levels, the power of two and eight steps within it (Masmano et al.,
// "TLSF", 2004). Quick lists: every 16 bytes up to 1 KiB, then eight steps to
// the power of two.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_
#define MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

constexpr size_t FloorLog2(size_t n) {
  return 63U ^ static_cast<unsigned>(__builtin_clzll(n));
}

// Steps of an eighth: 8 * log2, from the power `first_power` on.
constexpr size_t EighthIndex(size_t bytes, size_t first_power) {
  const size_t power = FloorLog2(bytes);
  // The shifted value is 8 to 15.
  return power * 8 + (bytes >> (power - 3)) - (first_power + 1) * 8;
}

inline constexpr size_t kFirstBinPower = 5;  // 32 bytes
inline constexpr size_t kLastBinPower = 21;  // 2 MiB
inline constexpr size_t kNumBins = (kLastBinPower - kFirstBinPower + 1) * 8;

// `bytes` is a block size: 32 bytes to 4 MiB - 16.
constexpr size_t BinIndex(size_t bytes) {
  return EighthIndex(bytes, kFirstBinPower);
}
static_assert(BinIndex(32) == 0 &&
              BinIndex((size_t{4} << 20) - 16) == kNumBins - 1);

// Blocks of up to 72 KiB - 16 wait in quick lists: all requests that are served
// by blocks do.
inline constexpr size_t kMaxQuickBytes = 72 * 1024 - 16;
inline constexpr size_t kMaxExactQuickBytes = 1024;

constexpr size_t QuickIndex(size_t bytes) {
  return bytes <= kMaxExactQuickBytes ? bytes / 16
                                      : 65 + EighthIndex(bytes, 10);
}
inline constexpr size_t kNumQuickLists = QuickIndex(kMaxQuickBytes) + 1;
static_assert(QuickIndex(1024) == 64 && QuickIndex(1040) == 65);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_
