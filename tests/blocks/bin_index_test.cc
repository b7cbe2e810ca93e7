// The arithmetic of bins and quick lists, for every size that a block can have.
#include "allocator/blocks/bin_index.h"

#include <cstddef>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kFirst = 32;
constexpr size_t kLast = (size_t{4} << 20) - 16;

// Where a bin begins, by the definition: eight steps to the power of two.
size_t BinStart(size_t index) {
  return (8 + index % 8) << (index / 8 + kFirstBinPower - 3);
}

TEST(BinIndexTest, FloorLog2OfEveryPowerAndItsNeighbours) {
  EXPECT_EQ(FloorLog2(1), 0U);
  for (size_t power = 1; power < 64; ++power) {
    const size_t n = size_t{1} << power;
    EXPECT_EQ(FloorLog2(n - 1), power - 1);
    EXPECT_EQ(FloorLog2(n), power);
    EXPECT_EQ(FloorLog2(n + n / 2), power);
  }
}

TEST(BinIndexTest, EverySizeLiesInTheRangeOfItsBin) {
  for (size_t bytes = kFirst; bytes <= kLast; bytes += 16) {
    const size_t index = BinIndex(bytes);
    ASSERT_LT(index, kNumBins) << bytes;
    ASSERT_GE(bytes, BinStart(index)) << bytes;
    ASSERT_LT(bytes, BinStart(index + 1)) << bytes;
  }
}

TEST(BinIndexTest, LargerSizesNeverHaveSmallerBins) {
  for (size_t bytes = kFirst; bytes < kLast; bytes += 16) {
    ASSERT_LE(BinIndex(bytes), BinIndex(bytes + 16)) << bytes;
  }
}

// What a search by bitmap stands on: any block of a bin above fits.
TEST(BinIndexTest, BlocksOfAHigherBinAreLargerThanTheRequest) {
  for (size_t bytes = kFirst; bytes <= kLast; bytes += 16) {
    ASSERT_GT(BinStart(BinIndex(bytes) + 1), bytes) << bytes;
  }
}

TEST(BinIndexTest, ABinSpansAnEighthOfItsSizeAtMost) {
  for (size_t i = 0; i < kNumBins; ++i) {
    EXPECT_LE((BinStart(i + 1) - BinStart(i)) * 8, BinStart(i)) << i;
  }
}

TEST(BinIndexTest, FirstAndLastBinsAreUsed) {
  EXPECT_EQ(BinIndex(kFirst), 0U);
  EXPECT_EQ(BinIndex(kLast), kNumBins - 1);
}

// --- Quick lists. ---

TEST(QuickIndexTest, EverySizeHasAListAndLargerOnesNoSmallerList) {
  for (size_t bytes = kFirst; bytes <= kLast; bytes += 16) {
    ASSERT_LT(QuickIndex(bytes), kNumQuickLists) << bytes;
    if (bytes < kLast) {
      ASSERT_LE(QuickIndex(bytes), QuickIndex(bytes + 16)) << bytes;
    }
  }
  EXPECT_EQ(QuickIndex(kFirst), 0U);
}

// Requests above those of slabs need not be rounded to blocks first.
TEST(QuickIndexTest, RequestsAndTheirBlocksHaveTheSameList) {
  constexpr size_t kTag = 8;
  for (size_t request = kMaxExactQuickBytes; request <= kMaxQuickBytes - kTag;
       ++request) {
    const size_t bytes = (request + kTag + 15) / 16 * 16;
    ASSERT_EQ(QuickIndexForRequest(request, kTag), QuickIndexFor(bytes))
        << request;
  }
}

// What lets the fast path take a list's first block without looking at it.
TEST(QuickIndexTest, NoBlockOfTheListForARequestIsTooSmall) {
  size_t smallest[kNumQuickLists] = {};
  for (size_t bytes = kMaxQuickBytes; bytes >= kFirst; bytes -= 16) {
    smallest[QuickIndex(bytes)] = bytes;
  }
  for (size_t bytes = kFirst; bytes <= kMaxQuickBytes; bytes += 16) {
    // 0: no block is ever in that list.
    const size_t least = smallest[QuickIndexFor(bytes)];
    ASSERT_TRUE(least == 0 || least >= bytes) << bytes;
  }
}

TEST(QuickIndexTest, RoundedSizesGoBackToTheListTheyAreTakenFrom) {
  for (size_t bytes = kFirst; bytes <= kMaxQuickBytes; bytes += 16) {
    const size_t rounded = RoundToQuick(bytes);
    ASSERT_EQ(rounded % 16, 0U) << bytes;
    ASSERT_GE(rounded, bytes);
    ASSERT_LE(rounded, bytes + bytes / 16) << bytes;
    ASSERT_EQ(RoundToQuick(rounded), rounded) << bytes;
    if (rounded > kMaxQuickBytes) continue;
    ASSERT_EQ(QuickIndex(rounded), QuickIndexFor(bytes)) << bytes;
    ASSERT_EQ(QuickIndexFor(rounded), QuickIndexFor(bytes)) << bytes;
  }
}

TEST(QuickIndexTest, RequestsOfPowersOfTwoAreNotRounded) {
  for (size_t request = 16; request <= 64 * 1024; request *= 2) {
    EXPECT_EQ(RoundToQuick(request + 16), request + 16);
  }
}

TEST(QuickIndexTest, SizesWithoutAListAreNotRounded) {
  for (size_t bytes : {kMaxQuickBytes + 16, size_t{1} << 20, kLast}) {
    EXPECT_EQ(RoundToQuick(bytes), bytes);
  }
}

}  // namespace
}  // namespace myonly::internal
