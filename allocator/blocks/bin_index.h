// Which bin holds a free block of a size, and which quick list.
//
// Bins: two levels, the power of two and eight steps within it (Masmano et al.,
// "TLSF", 2004). Quick lists: every 16 bytes up to 1 KiB, then sixteen steps to
// the power of two, so that a size is rounded up by 1/16 at most.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_
#define MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

constexpr size_t FloorLog2(size_t n) {
  return 63U ^ static_cast<unsigned>(__builtin_clzll(n));
}

// 2^kLog2Steps steps to the power of two: as many times the power as there are
// steps, and which step, which has its top bit set.
template <unsigned kLog2Steps>
constexpr size_t StepIndex(size_t n) {
  const size_t power = FloorLog2(n);
  return (power << kLog2Steps) + (n >> (power - kLog2Steps));
}

inline constexpr size_t kFirstBinPower = 5;  // 32 bytes
inline constexpr size_t kLastBinPower = 21;  // 2 MiB
inline constexpr size_t kNumBins = (kLastBinPower - kFirstBinPower + 1) * 8;

// `bytes` is a block size: 32 bytes to 4 MiB - 16.
constexpr size_t BinIndex(size_t bytes) {
  return StepIndex<3>(bytes) - (kFirstBinPower + 1) * 8;
}
static_assert(BinIndex(32) == 0 &&
              BinIndex((size_t{4} << 20) - 16) == kNumBins - 1);

// Blocks of up to 72 KiB - 16 wait in quick lists: all requests that are served
// by blocks do.
inline constexpr size_t kMaxQuickBytes = 72 * 1024 - 16;
inline constexpr size_t kMaxExactQuickBytes = 1024 + 16;

// Steps begin 16 bytes above the powers of two, so that a request of 4096 bytes
// and its tag are not rounded.
inline constexpr size_t kQuickStepOffset = 16;
inline constexpr size_t kFirstStepIndex =
    StepIndex<4>(1024) - kMaxExactQuickBytes / 16;

// The list that a free block of `bytes` goes to: it is of the list's size or
// larger.
constexpr size_t QuickIndex(size_t bytes) {
  return bytes <= kMaxExactQuickBytes
             ? bytes / 16
             : StepIndex<4>(bytes - kQuickStepOffset) - kFirstStepIndex;
}

// The list whose blocks all have `bytes` or more.
constexpr size_t QuickIndexFor(size_t bytes) {
  return bytes <= kMaxExactQuickBytes
             ? bytes / 16
             : StepIndex<4>(bytes - kQuickStepOffset - 1) + 1 - kFirstStepIndex;
}

// `bytes` rounded up to the size of that list.
constexpr size_t RoundToQuick(size_t bytes) {
  if (bytes <= kMaxExactQuickBytes || bytes > kMaxQuickBytes) return bytes;
  const size_t last = bytes - kQuickStepOffset - 1;
  const size_t step = (size_t{1} << FloorLog2(last)) >> 4;
  return (last | (step - 1)) + 1 + kQuickStepOffset;
}

inline constexpr size_t kNumQuickLists = QuickIndexFor(kMaxQuickBytes) + 1;
static_assert(QuickIndex(1040) == 65 && QuickIndex(1056) == 65 &&
              QuickIndex(1104) == 66);
static_assert(QuickIndexFor(1056) == 66 && RoundToQuick(1056) == 1104);
static_assert(RoundToQuick(4096 + 16) == 4096 + 16 &&
              RoundToQuick(4096 + 32) == 4096 + 256 + 16);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_
