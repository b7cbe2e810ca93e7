// Which bin holds a free block of a size, and which quick list.
//
// Bins: two levels, the power of two and eight steps within it (Masmano et al.,
// "TLSF", 2004). Quick lists: 32 steps to the power of two, so that a size is
// rounded up by 1/32 at most, and not at all below 1 KiB.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_
#define MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

// 32 bits are enough for powers and indices, and save extending them.
constexpr uint32_t FloorLog2(size_t n) {
  return 63U ^ static_cast<uint32_t>(__builtin_clzll(n));
}

// 2^kLog2Steps steps to the power of two: as many times the power as there are
// steps, and which step, which has its top bit set.
template <unsigned kLog2Steps>
constexpr uint32_t StepIndex(size_t n) {
  const uint32_t power = FloorLog2(n);
  return (power << kLog2Steps) +
         static_cast<uint32_t>(n >> (power - kLog2Steps));
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

// Requests for blocks of up to 72 KiB - 16 are served by quick lists; a block
// that was made larger, or could not be cut, waits in one too.
inline constexpr size_t kMaxQuickBytes = 72 * 1024 - 16;

// Steps begin 16 bytes above the powers of two, so that a request of 4096 bytes
// and its tag are not rounded.
inline constexpr size_t kQuickStepOffset = 16;
inline constexpr size_t kMaxExactQuickBytes = 1024 + kQuickStepOffset;

// The power of two and which of 32 steps: the exponent of a number and the top
// bits of its fraction, which a conversion finds in fewer instructions than
// StepIndex. Exact below 16 MiB.
constexpr size_t QuickStep(size_t bytes_above_offset) {
  const auto number =
      static_cast<float>(static_cast<int32_t>(bytes_above_offset));
  constexpr int kFractionBits = 23;
  return __builtin_bit_cast(uint32_t, number) >> (kFractionBits - 5);
}

// What is added to a step: to have the list that a block goes to, and the one
// whose blocks are all larger.
inline constexpr size_t kQuickOffset = 0 - QuickStep(32 - kQuickStepOffset);
inline constexpr size_t kQuickOffsetLarger = kQuickOffset + 1;

// The list that a free block of `bytes` goes to: it is of the list's size or
// larger.
constexpr size_t QuickIndex(size_t bytes) {
  return QuickStep(bytes - kQuickStepOffset) + kQuickOffset;
}

// The list whose blocks all have `bytes` or more.
constexpr size_t QuickIndexFor(size_t bytes) {
  if (bytes <= kMaxExactQuickBytes) return QuickIndex(bytes);
  return QuickStep(bytes - kQuickStepOffset - 1) + kQuickOffsetLarger;
}

// The same for a request and its tag, above kMaxExactQuickBytes: rounding to
// blocks crosses no step.
constexpr size_t QuickIndexForRequest(size_t request, size_t tag_bytes) {
  return QuickStep(request + tag_bytes - kQuickStepOffset - 1) +
         kQuickOffsetLarger;
}

// `bytes` rounded up to the size of that list.
constexpr size_t RoundToQuick(size_t bytes) {
  if (bytes <= kMaxExactQuickBytes || bytes > kMaxQuickBytes) return bytes;
  const size_t last = bytes - kQuickStepOffset - 1;
  const size_t step = (size_t{1} << FloorLog2(last)) >> 5;
  return (last | (step - 1)) + 1 + kQuickStepOffset;
}

inline constexpr size_t kNumQuickLists = QuickIndex((size_t{4} << 20) - 16) + 1;
static_assert(QuickIndex(32) == 0 && QuickIndexFor(32) == 0);
static_assert(QuickIndex(2064) == QuickIndexFor(2064) &&
              QuickIndexFor(2080) == QuickIndex(2128));
static_assert(RoundToQuick(1040) == 1040 && RoundToQuick(1056) == 1072);
static_assert(RoundToQuick(4096 + 16) == 4096 + 16 &&
              RoundToQuick(4096 + 32) == 4096 + 128 + 16);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BIN_INDEX_H_
