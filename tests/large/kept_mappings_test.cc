// What is freed is kept to be used again: cut, coalesced, joined and bounded.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/large/huge_mapping.h"
#include "gtest/gtest.h"
#include "tests/large/huge_mappings_fixture.h"

namespace myonly::internal {
namespace {

class KeptMappingsTest : public HugeMappingsTest {
 protected:
  void SetUp() override {
    if (kIsSecure) {
      GTEST_SKIP() << "secure keeps none: it makes them fault (poisoned_test)";
    }
  }
};

TEST_F(KeptMappingsTest, AFreedMappingIsUsedAgain) {
  HugeMapping* mapping = Allocate(10 * kMiB);
  char* start = mapping->start;
  huge_.Free(mapping);
  EXPECT_EQ(huge_.cached_bytes(), 10 * kMiB);
  const size_t reserves = pages_.Count(Verb::kReserve);
  EXPECT_EQ(Allocate(9 * kMiB)->start, start);
  EXPECT_EQ(pages_.Count(Verb::kReserve), reserves);
  EXPECT_LE(huge_.cached_bytes(), kMiB);
}

TEST_F(KeptMappingsTest, ASmallerOneIsGrownByTheDifference) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  memset(mapping->start, 1, mapping->bytes);
  huge_.Free(mapping);
  mapping = Allocate(12 * kMiB);
  ASSERT_EQ(mapping->bytes, 12 * kMiB);
  EXPECT_EQ(pages_.Count(Verb::kRemap), 1U);
  memset(mapping->start, 2, mapping->bytes);
}

TEST_F(KeptMappingsTest, WhatIsMissingIsTakenFromOtherPieces) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(9 * kMiB, 10 * kMiB);
  HugeMapping* mapping = Allocate(20 * kMiB);
  ASSERT_NE(mapping, nullptr);
  EXPECT_EQ(pages_.Count(Verb::kMove), 1U);
  // 10 MiB of the one, and 8 of the other: whole page tables.
  EXPECT_EQ(fresh_bytes_, 2 * kMiB);
  EXPECT_EQ(mapping->bytes, 20 * kMiB);
  EXPECT_EQ(mapping->num_pieces, 3U);
  memset(mapping->start, 3, mapping->bytes);
  EXPECT_EQ(huge_.Find(mapping->start + 15 * kMiB), mapping);
  huge_.CheckInvariants();
  // Its pieces are kept one by one, beside the end of the 9 MiB, and join
  // again.
  huge_.Free(mapping);
  EXPECT_EQ(huge_.cached_bytes(), 21 * kMiB);
  mapping = Allocate(20 * kMiB);
  EXPECT_EQ(fresh_bytes_, 0U);
  memset(mapping->start, 3, mapping->bytes);
  huge_.Free(mapping);
  EXPECT_EQ(huge_.Purge(0), 21 * kMiB);
  EXPECT_EQ(pages_.reserved_bytes(), metadata_.reserved_bytes());
}

// No call of the system once the largest has been there.
TEST_F(KeptMappingsTest, SizesThatChangeAreCutAndCoalesced) {
  huge_.Free(Allocate(16 * kMiB));
  char* const start = Allocate(5 * kMiB + kPageSize)->start;
  huge_.Free(huge_.Find(start));
  const size_t calls = pages_.journal().size();
  for (size_t i = 0; i < 40; ++i) {
    HugeMapping* first = Allocate((4 + i % 5) * kMiB + i * kPageSize);
    HugeMapping* second = Allocate((4 + i % 3) * kMiB + 7 * kPageSize);
    EXPECT_EQ(fresh_bytes_, 0U);
    EXPECT_EQ(huge_.cached_bytes(), 16 * kMiB - first->bytes - second->bytes);
    // The end first or last.
    huge_.Free(i % 2 == 0 ? first : second);
    huge_.Free(i % 2 == 0 ? second : first);
    EXPECT_EQ(huge_.cached_bytes(), 16 * kMiB);
    HugeMapping* all = Allocate(16 * kMiB);
    EXPECT_EQ(all->start, start);
    EXPECT_EQ(all->num_pieces, 1U);
    huge_.Free(all);
  }
  EXPECT_EQ(pages_.journal().size(), calls);
  EXPECT_EQ(huge_.Purge(0), 16 * kMiB);
  EXPECT_EQ(pages_.reserved_bytes(), metadata_.reserved_bytes());
}

// Two mappings of the system that lie side by side stay two: a piece of both
// could not be moved.
TEST_F(KeptMappingsTest, PiecesOfTwoMappingsStayApart) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(10 * kMiB, 8 * kMiB);
  HugeMapping* joined = Allocate(18 * kMiB);
  EXPECT_EQ(joined->num_pieces, 2U);
  huge_.Free(joined);
  EXPECT_EQ(Allocate(10 * kMiB)->num_pieces, 1U);
  EXPECT_EQ(huge_.cached_bytes(), 8 * kMiB);
  EXPECT_EQ(Allocate(8 * kMiB)->num_pieces, 1U);
  EXPECT_EQ(huge_.cached_bytes(), 0U);
}

// What is moved begins where page tables do; what is before that stays.
TEST_F(KeptMappingsTest, OnlyWholePageTablesAreMoved) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  HugeMapping* whole = Allocate(16 * kMiB);
  memset(whole->start, 5, whole->bytes);
  char* const start = whole->start;
  huge_.Free(whole);
  HugeMapping* first = Allocate(5 * kMiB);
  EXPECT_EQ(first->start, start);
  // Of the 11 MiB that are left 10 begin at such an address.
  HugeMapping* second = Allocate(12 * kMiB);
  EXPECT_EQ(fresh_bytes_, 2 * kMiB);
  EXPECT_EQ(second->start[10 * kMiB - 1], 5);
  EXPECT_EQ(second->start[10 * kMiB], 0);
  EXPECT_EQ(huge_.cached_bytes(), kMiB);
  // It meets what was before it.
  huge_.Free(first);
  EXPECT_EQ(huge_.cached_bytes(), 6 * kMiB);
  EXPECT_EQ(Allocate(6 * kMiB)->start, start);
  EXPECT_EQ(fresh_bytes_, 0U);
}

// Less than 2 MiB of a huge page isn't cut off; a piece of 64 KiB is kept.
TEST_F(KeptMappingsTest, WhatIsOverTheBudgetIsCutOffInHugePages) {
  HugeMapping* mapping = Allocate(20 * kMiB);
  huge_.Free(mapping);
  EXPECT_EQ(huge_.cached_bytes(), 16 * kMiB);
  EXPECT_EQ(huge_.Purge(15 * kMiB), 2 * kMiB);
  EXPECT_EQ(huge_.Purge(kMiB), 14 * kMiB);
  EXPECT_EQ(huge_.cached_bytes(), 0U);
  for (const size_t rest : {size_t{15}, size_t{16}}) {
    huge_.Free(Allocate(8 * kMiB));
    ASSERT_NE(Allocate(8 * kMiB - rest * kPageSize), nullptr);
    EXPECT_EQ(huge_.cached_bytes(), rest == 16 ? 16 * kPageSize : 0);
    huge_.Purge(0);
  }
}

TEST_F(KeptMappingsTest, TheSmallestThatIsEnoughIsTaken) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  for (size_t mib : {12, 9, 10, 6}) mappings_.push_back(Allocate(mib * kMiB));
  const char* const best = mappings_[1]->start;
  for (HugeMapping* mapping : mappings_) huge_.Free(mapping);
  EXPECT_EQ(huge_.cached_bytes(), 37 * kMiB);
  EXPECT_EQ(Allocate(9 * kMiB)->start, best);
  EXPECT_EQ(huge_.cached_bytes(), 28 * kMiB);
}

TEST_F(KeptMappingsTest, NoMoreAreJoinedThanARecordHasRoomFor) {
  constexpr size_t kMost = HugeMapping::kMaxPieces;
  huge_.set_cache_floor_bytes(1024 * kMiB);
  for (size_t i = 0; i < kMost + 4; ++i)
    mappings_.push_back(Allocate(8 * kMiB));
  for (HugeMapping* mapping : mappings_) huge_.Free(mapping);
  EXPECT_EQ(huge_.cached_bytes(), (kMost + 4) * 8 * kMiB);
  HugeMapping* mapping = Allocate((kMost + 4) * 8 * kMiB);
  ASSERT_NE(mapping, nullptr);
  EXPECT_EQ(mapping->num_pieces, kMost);
  EXPECT_EQ(fresh_bytes_, 5 * 8 * kMiB);
  EXPECT_EQ(huge_.cached_bytes(), 5 * 8 * kMiB);
}

TEST_F(KeptMappingsTest, TheEndOfAMovedPieceIsKept) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(9 * kMiB, 10 * kMiB);
  HugeMapping* mapping = Allocate(12 * kMiB);
  EXPECT_EQ(fresh_bytes_, 0U);
  memset(mapping->start, 3, mapping->bytes);
  EXPECT_EQ(huge_.cached_bytes(), 7 * kMiB);
  huge_.Free(mapping);
  EXPECT_EQ(huge_.Purge(0), 19 * kMiB);
  EXPECT_EQ(pages_.reserved_bytes(), metadata_.reserved_bytes());
}

// The last one needs no whole page tables: it ends where the mapping does.
TEST_F(KeptMappingsTest, APieceThatIsJustEnoughIsUsedUp) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(9 * kMiB, 9 * kMiB);
  const HugeMapping* mapping = Allocate(17 * kMiB);
  EXPECT_EQ(fresh_bytes_, 0U);
  EXPECT_EQ(mapping->num_pieces, 2U);
  // The end of the first.
  EXPECT_EQ(huge_.cached_bytes(), kMiB);
  EXPECT_EQ(pages_.reserved_bytes(), 18 * kMiB + metadata_.reserved_bytes());
}

TEST_F(KeptMappingsTest, AJoinedMappingShrinksButDoesNotGrow) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(9 * kMiB, 10 * kMiB);
  HugeMapping* mapping = Allocate(20 * kMiB);
  memset(mapping->start, 7, mapping->bytes);
  EXPECT_FALSE(huge_.Resize(mapping, 30 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 20 * kMiB);
  ASSERT_TRUE(huge_.Resize(mapping, 8 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->num_pieces, 1U);
  huge_.CheckInvariants();
  // A single piece again.
  ASSERT_TRUE(huge_.Resize(mapping, 30 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->start[8 * kMiB - 1], 7);
  EXPECT_EQ(mapping->start[8 * kMiB], 0);
  huge_.Free(mapping);
}

TEST_F(KeptMappingsTest, LearnsToKeepWhatIsWantedAgain) {
  size_t fresh_bytes = 0;
  for (int round = 0; round < 8; ++round) {
    HugeMapping* mappings[4];
    fresh_bytes = 0;
    for (HugeMapping*& mapping : mappings) {
      mapping = Allocate(20 * kMiB);
      fresh_bytes += fresh_bytes_;
    }
    for (HugeMapping* mapping : mappings) huge_.Free(mapping);
    if (round == 0) {
      EXPECT_LE(huge_.cached_bytes(), 17 * kMiB);
    }
  }
  EXPECT_LE(fresh_bytes, 10 * kMiB);
  EXPECT_GE(huge_.cached_bytes(), 70 * kMiB);
  EXPECT_LE(huge_.cached_bytes(), 80 * kMiB);
  // Forgotten when it isn't.
  const uint64_t now_ms = CoarseMs();
  for (uint64_t i = 1; i < 50; ++i) huge_.PurgeWithTime(now_ms + i * 100);
  EXPECT_LE(huge_.cached_bytes(), 16 * kMiB);
}

// Live and kept together stay below the recent peak.
TEST_F(KeptMappingsTest, WhatIsKeptMakesRoomForWhatIsNew) {
  huge_.set_cache_floor_bytes(0);
  for (int i = 0; i < 4; ++i) mappings_.push_back(Allocate(20 * kMiB));
  huge_.Free(mappings_[0]);
  huge_.Free(mappings_[1]);
  // Nearly: a part of the peak is forgotten.
  EXPECT_GE(huge_.cached_bytes(), 14 * kMiB);
  EXPECT_LE(huge_.cached_bytes(), 20 * kMiB);
  Allocate(30 * kMiB, kPageSize, /*zeroed=*/true);
  EXPECT_LE(huge_.cached_bytes(), 10 * kMiB);
  Allocate(30 * kMiB, kPageSize, /*zeroed=*/true);
  EXPECT_LE(huge_.cached_bytes(), 100 * kMiB / 32);  // of what is live
}

// The system allows a process only so many mappings.
TEST_F(KeptMappingsTest, AmongVeryManyNoneAreJoined) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(9 * kMiB, 10 * kMiB);
  for (size_t i = 0; i < 4095; ++i) {
    ASSERT_NE(Allocate(kPageSize, kPageSize, /*zeroed=*/true), nullptr);
  }
  HugeMapping* joined = Allocate(16 * kMiB);
  EXPECT_EQ(fresh_bytes_, 0U);
  EXPECT_EQ(joined->num_pieces, 2U);
  huge_.Free(joined);
  ASSERT_NE(Allocate(kPageSize, kPageSize, /*zeroed=*/true), nullptr);
  EXPECT_EQ(Allocate(20 * kMiB)->num_pieces, 1U);
  EXPECT_GT(fresh_bytes_, 0U);
}

TEST_F(KeptMappingsTest, AlignedOnesAreNotJoined) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  FreeTwo(9 * kMiB, 10 * kMiB);
  HugeMapping* mapping = Allocate(19 * kMiB, 2 * kMiB);
  EXPECT_TRUE(IsAligned(reinterpret_cast<uintptr_t>(mapping->start), 2 * kMiB));
  EXPECT_EQ(pages_.Count(Verb::kMove), 0U);
  huge_.Free(mapping);
}

TEST_F(KeptMappingsTest, AnyCallOfJoiningMayFail) {
  huge_.set_cache_floor_bytes(64 * kMiB);
  bool failed = true;
  for (int64_t n = 0; failed; ++n) {
    HugeMapping* third = Allocate(8 * kMiB);
    FreeTwo(9 * kMiB, 10 * kMiB);
    huge_.Free(third);
    pages_.TakeFailed();
    pages_.FailCall(n);
    HugeMapping* mapping = Allocate(30 * kMiB);
    failed = pages_.TakeFailed();
    pages_.StopFailing();
    huge_.CheckInvariants();
    ASSERT_NE(mapping, nullptr) << n;  // a new one is had instead
    memset(mapping->start, 3, mapping->bytes);
    huge_.Free(mapping);
    huge_.Purge(0);
    ASSERT_EQ(pages_.reserved_bytes(),
              metadata_.reserved_bytes() + NotReleased())
        << n;
    ASSERT_LT(n, 10);
  }
}

TEST_F(KeptMappingsTest, ZeroedOnesAreNew) {
  HugeMapping* mapping = Allocate(10 * kMiB);
  memset(mapping->start, 1, mapping->bytes);
  huge_.Free(mapping);
  mapping = Allocate(10 * kMiB, kPageSize, /*zeroed=*/true);
  for (size_t i = 0; i < mapping->bytes; i += 512) {
    ASSERT_EQ(mapping->start[i], 0);
  }
}

// What was given back would not have served them.
TEST_F(KeptMappingsTest, WhoWantsZerosRegretsNothing) {
  for (const bool zeroed : {true, false}) {
    HugeMappings huge(pages_, metadata_);
    size_t most = 0;
    for (int round = 0; round < 8; ++round) {
      size_t fresh = 0;
      const auto allocate = [&](bool wants_zeros) {
        return huge.Allocate(64 * kMiB, kPageSize, wants_zeros, this, &fresh);
      };
      HugeMapping* table = allocate(zeroed);
      HugeMapping* buffer = allocate(false);
      most = Max(most, huge.live_bytes() + huge.cached_bytes());
      huge.Free(buffer);
      huge.Free(table);
      most = Max(most, huge.live_bytes() + huge.cached_bytes());
    }
    EXPECT_LE(most, 128 * kMiB) << zeroed;
    huge.Purge(0);
  }
}

TEST_F(KeptMappingsTest, WhatIsKeptIsBounded) {
  std::vector<HugeMapping*> mappings;
  for (int i = 0; i < 40; ++i) mappings.push_back(Allocate(9 * kMiB));
  for (HugeMapping* mapping : mappings) {
    huge_.Free(mapping);
    huge_.CheckInvariants();
    // The floor, or half of what is live.
    EXPECT_LE(huge_.cached_bytes(), Max(16 * kMiB, huge_.live_bytes()));
  }
  EXPECT_LE(huge_.cached_bytes(), 16 * kMiB);
  EXPECT_LE(pages_.reserved_bytes(),
            huge_.cached_bytes() + metadata_.reserved_bytes());
}

TEST_F(KeptMappingsTest, PurgeGivesAllBack) {
  huge_.Free(Allocate(10 * kMiB));
  EXPECT_EQ(huge_.Purge(0), 10 * kMiB);
  EXPECT_EQ(huge_.cached_bytes(), 0U);
  EXPECT_EQ(pages_.reserved_bytes(), metadata_.reserved_bytes());
  huge_.set_cache_floor_bytes(0);
  huge_.Free(Allocate(10 * kMiB));
  EXPECT_EQ(huge_.cached_bytes(), 0U);
}

// Only what is missing is new.
TEST_F(KeptMappingsTest, OnePieceThatIsTooSmallIsUsedAsAWhole) {
  constexpr size_t kOdd = 9 * kMiB + 5 * kPageSize;
  HugeMapping* first = Allocate(kOdd);
  memset(first->start, 1, kOdd);
  huge_.Free(first);
  ASSERT_EQ(huge_.cached_bytes(), kOdd);
  const HugeMapping* second = Allocate(12 * kMiB);
  EXPECT_EQ(fresh_bytes_, 12 * kMiB - kOdd);
  EXPECT_EQ(second->start[kOdd - 1], 1);
  EXPECT_EQ(second->start[kOdd], 0);
  EXPECT_EQ(huge_.cached_bytes(), 0U);
}

}  // namespace
}  // namespace myonly::internal
