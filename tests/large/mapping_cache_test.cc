#include "allocator/large/mapping_cache.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kNoLimit = SIZE_MAX;

// Addresses only: the cache touches nothing.
char* At(size_t mib) { return reinterpret_cast<char*>((mib + 1024) * kMiB); }

class MappingCacheTest : public ::testing::Test {
 protected:
  ~MappingCacheTest() override { EXPECT_TRUE(cache_.Check()); }

  void Keep(size_t mib, size_t bytes, size_t budget = kNoLimit,
            uint32_t mapping = 1) {
    surplus_ = {};
    cache_.Keep({At(mib), bytes, mapping}, budget, &surplus_);
  }
  static void ExpectRange(PageRange range, char* start, size_t bytes) {
    EXPECT_EQ(range.start, start);
    EXPECT_EQ(range.bytes(), bytes);
  }
  void ExpectTaken(size_t wanted, size_t alignment, char* start, size_t bytes) {
    ExpectRange(cache_.TakeEnough(wanted, alignment), start, bytes);
  }

  MappingCache cache_;
  MappingCache::Surplus surplus_;
};

TEST_F(MappingCacheTest, TheSmallestThatIsEnoughElseTheLargest) {
  for (size_t mib : {8, 4, 6, 2}) Keep(10 * mib, mib * kMiB);
  EXPECT_EQ(cache_.bytes(), 20 * kMiB);
  EXPECT_EQ(cache_.num_pieces(), 4U);
  ExpectTaken(4 * kMiB, kPageSize, At(40), 4 * kMiB);
  ExpectTaken(4 * kMiB, kPageSize, At(60), 6 * kMiB);
  ExpectTaken(9 * kMiB, kPageSize, nullptr, 0);
  ExpectRange(cache_.TakeMost(), At(80), 8 * kMiB);
  ExpectRange(cache_.TakeMost(), At(20), 2 * kMiB);
  ExpectRange(cache_.TakeMost(), nullptr, 0);
  EXPECT_EQ(cache_.bytes(), 0U);
  EXPECT_EQ(cache_.num_pieces(), 0U);
}

TEST_F(MappingCacheTest, WhatIsAlignedIsWholeAndWhereItMustBe) {
  Keep(6, 4 * kMiB);
  Keep(16, 3 * kMiB);
  ExpectTaken(5 * kMiB, 2 * kMiB, nullptr, 0);
  ExpectTaken(3 * kMiB, 16 * kMiB, At(16), 3 * kMiB);
  ExpectTaken(3 * kMiB, 4 * kMiB, nullptr, 0);
  ExpectTaken(4 * kMiB, 2 * kMiB, At(6), 4 * kMiB);
}

TEST_F(MappingCacheTest, OfWhatIsOverTheBudgetTheEndGoes) {
  Keep(0, 6 * kMiB, 10 * kMiB);
  EXPECT_EQ(surplus_.count, 0U);
  Keep(10, 6 * kMiB, 10 * kMiB + kPageSize / 2);
  ASSERT_EQ(surplus_.count, 1U);
  EXPECT_EQ(surplus_.ranges[0].start, At(14));
  EXPECT_EQ(surplus_.ranges[0].bytes(), 2 * kMiB);
  EXPECT_EQ(surplus_.bytes, 2 * kMiB);
  EXPECT_EQ(cache_.bytes(), 10 * kMiB);
  // There is no room, or not even for a huge page.
  Keep(20, 6 * kMiB, 9 * kMiB);
  EXPECT_EQ(surplus_.bytes, 6 * kMiB);
  Keep(20, 6 * kMiB, 12 * kMiB - 1);
  EXPECT_EQ(surplus_.bytes, 6 * kMiB);
  EXPECT_EQ(cache_.bytes(), 10 * kMiB);
  Keep(20, 6 * kMiB, 12 * kMiB);
  EXPECT_EQ(surplus_.bytes, 4 * kMiB);
  EXPECT_EQ(cache_.bytes(), 12 * kMiB);
}

TEST_F(MappingCacheTest, SmallPiecesAreNotWorthIt) {
  Keep(0, 15 * kPageSize);
  EXPECT_EQ(surplus_.bytes, 15 * kPageSize);
  Keep(0, 16 * kPageSize);
  EXPECT_EQ(surplus_.count, 0U);
  EXPECT_EQ(cache_.num_pieces(), 1U);
}

TEST_F(MappingCacheTest, PiecesOfOneMappingThatMeetAreOne) {
  Keep(0, kMiB);
  Keep(5, 3 * kMiB);
  EXPECT_EQ(cache_.num_pieces(), 2U);
  Keep(1, 4 * kMiB);
  EXPECT_EQ(cache_.num_pieces(), 1U);
  // However small.
  Keep(8, kPageSize);
  EXPECT_EQ(surplus_.count, 0U);
  EXPECT_EQ(cache_.num_pieces(), 1U);
  EXPECT_EQ(cache_.bytes(), 8 * kMiB + kPageSize);
  // One of another mapping begins where it ends, and one before that.
  Keep(12, 4 * kMiB, kNoLimit, 2);
  Keep(16, 4 * kMiB, kNoLimit, 3);
  EXPECT_EQ(cache_.num_pieces(), 3U);
  ExpectTaken(8 * kMiB, kPageSize, At(0), 8 * kMiB + kPageSize);
  ExpectTaken(5 * kMiB, kPageSize, nullptr, 0);
}

// Also when both together are not worth their place: nothing gets lost.
TEST_F(MappingCacheTest, ASmallPieceThatMeetsASmallOneGoesWithIt) {
  surplus_ = {};
  cache_.Keep({At(2) - kPageSize, 2 * kMiB + kPageSize, 1}, kNoLimit,
              &surplus_);
  ExpectRange(cache_.TakeMost(), At(2), 2 * kMiB);
  EXPECT_EQ(cache_.bytes(), kPageSize);
  Keep(2, 3 * kPageSize);
  EXPECT_EQ(surplus_.bytes + cache_.bytes(), 4 * kPageSize);
}

// What is cut off for lack of room is not what a later piece meets.
TEST_F(MappingCacheTest, WhatIsCutOffParts) {
  Keep(8, 4 * kMiB);
  Keep(2, 6 * kMiB, 8 * kMiB);
  ASSERT_EQ(surplus_.count, 1U);
  EXPECT_EQ(surplus_.ranges[0].start, At(6));
  EXPECT_EQ(surplus_.bytes, 2 * kMiB);
  EXPECT_EQ(cache_.num_pieces(), 2U);
  ExpectTaken(kMiB, kPageSize, At(8), 4 * kMiB);
}

TEST_F(MappingCacheTest, TheMostIsFromWhereAPageTableBegins) {
  Keep(1, 6 * kMiB);   // 5 MiB from 2 on
  Keep(10, 5 * kMiB);  // as much
  Keep(21, 3 * kMiB);  // 2 MiB from 22 on
  Keep(31, kMiB);      // none
  Keep(40, 2 * kMiB - kPageSize);
  ExpectRange(cache_.TakeMost(), At(2), 5 * kMiB);
  ExpectRange(cache_.TakeMost(), At(10), 5 * kMiB);
  ExpectRange(cache_.TakeMost(), At(22), 2 * kMiB);
  ExpectRange(cache_.TakeMost(), nullptr, 0);
  // What is before stays.
  EXPECT_EQ(cache_.num_pieces(), 4U);
  EXPECT_EQ(cache_.bytes(), 5 * kMiB - kPageSize);
}

// Of as many as there may be the smallest goes for a larger one.
TEST_F(MappingCacheTest, AFullOneKeepsTheLarger) {
  for (size_t i = 0; i < MappingCache::kMaxPieces; ++i) {
    Keep(10 * i, (i == 20 ? 3 : 4) * kMiB);
    EXPECT_EQ(surplus_.count, 0U);
  }
  EXPECT_EQ(cache_.num_pieces(), MappingCache::kMaxPieces);
  Keep(1000, 3 * kMiB);
  ASSERT_EQ(surplus_.count, 1U);
  EXPECT_EQ(surplus_.ranges[0].start, At(1000));
  Keep(1000, 3 * kMiB + kPageSize);
  ASSERT_EQ(surplus_.count, 1U);
  EXPECT_EQ(surplus_.ranges[0].start, At(200));
  EXPECT_EQ(surplus_.bytes, 3 * kMiB);
  EXPECT_EQ(cache_.num_pieces(), MappingCache::kMaxPieces);
}

TEST_F(MappingCacheTest, TrimDropsTheSmallestFirst) {
  for (size_t mib : {4, 8, 3}) Keep(10 * mib, mib * kMiB);
  surplus_ = {};
  cache_.Trim(15 * kMiB, &surplus_);
  EXPECT_EQ(surplus_.count, 0U);
  // Of the last one what is within the budget stays, if it is large enough.
  cache_.Trim(14 * kMiB, &surplus_);
  ASSERT_EQ(surplus_.count, 1U);
  EXPECT_EQ(surplus_.ranges[0].start, At(32));
  EXPECT_EQ(surplus_.bytes, kMiB);
  surplus_ = {};
  cache_.Trim(11 * kMiB, &surplus_);
  ASSERT_EQ(surplus_.count, 2U);
  EXPECT_EQ(surplus_.ranges[0].start, At(30));
  EXPECT_EQ(surplus_.ranges[1].start, At(42));
  EXPECT_EQ(cache_.bytes(), 10 * kMiB);
  surplus_ = {};
  cache_.Trim(0, &surplus_);
  EXPECT_EQ(surplus_.bytes, 10 * kMiB);
  EXPECT_EQ(cache_.num_pieces(), 0U);
}

}  // namespace
}  // namespace myonly::internal
