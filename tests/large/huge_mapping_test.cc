#include "allocator/large/huge_mapping.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/metadata_allocator.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Verb = FakePageSource::Verb;

constexpr size_t kMiB = size_t{1} << 20;

class HugeMappingsTest : public ::testing::Test {
 protected:
  HugeMappingsTest() : metadata_(pages_), huge_(pages_, metadata_) {}
  ~HugeMappingsTest() override { huge_.CheckInvariants(); }

  HugeMapping* Allocate(size_t bytes, size_t alignment = kPageSize,
                        bool zeroed = false) {
    return huge_.Allocate(bytes, alignment, zeroed, this, &fresh_bytes_);
  }

  // Leaves two pieces in the cache.
  void FreeTwo(size_t bytes, size_t more_bytes) {
    HugeMapping* first = Allocate(bytes);
    HugeMapping* second = Allocate(more_bytes);
    memset(first->start, 1, bytes);
    memset(second->start, 2, more_bytes);
    huge_.Free(first);
    huge_.Free(second);
  }

  // What the page source refused to release so far: it has
  // lost its memory, but not its addresses.
  size_t NotReleased() {
    for (; seen_ != pages_.journal().size(); ++seen_) {
      const FakePageSource::Call& call = pages_.journal()[seen_];
      if (call.verb == Verb::kRelease && !call.ok) lost_ += call.bytes;
    }
    return lost_;
  }

  FakePageSource pages_;
  MetadataAllocator metadata_;
  HugeMappings huge_;
  size_t seen_ = 0;
  size_t lost_ = 0;
  size_t fresh_bytes_ = 0;  // of the last Allocate
  std::vector<HugeMapping*> mappings_;
};

// What is freed is kept to be used again.
class KeptMappingsTest : public HugeMappingsTest {
 protected:
  void SetUp() override {
    if (kIsSecure) {
      GTEST_SKIP() << "secure keeps none: it makes them fault (poisoned_test)";
    }
  }
};

TEST_F(HugeMappingsTest, HasWholePagesAndIsFoundByAnyAddressInIt) {
  HugeMapping* mapping = Allocate(9 * kMiB + 1);
  ASSERT_NE(mapping, nullptr);
  EXPECT_EQ(mapping->bytes, 9 * kMiB + kPageSize);
  EXPECT_EQ(mapping->owner, this);
  memset(mapping->start, 1, mapping->bytes);
  EXPECT_EQ(huge_.Find(mapping->start), mapping);
  EXPECT_EQ(huge_.Find(mapping->start + mapping->bytes - 1), mapping);
  EXPECT_EQ(huge_.Find(mapping->start + mapping->bytes), nullptr);
  EXPECT_EQ(huge_.Find(mapping->start - 1), nullptr);
  EXPECT_EQ(huge_.Find(nullptr), nullptr);
  EXPECT_EQ(huge_.live_bytes(), mapping->bytes);
  char* start = mapping->start;
  huge_.Free(mapping);
  EXPECT_EQ(huge_.Find(start), nullptr);
  EXPECT_EQ(huge_.live_bytes(), 0U);
}

TEST_F(HugeMappingsTest, EachIsSeenWithoutTheLock) {
  for (int i = 0; i < 4; ++i) mappings_.push_back(Allocate(9 * kMiB));
  huge_.Free(mappings_[1]);
  mappings_[1] = Allocate(9 * kMiB);
  for (const HugeMapping* mapping : mappings_) {
    EXPECT_EQ(huge_.PeekAt(mapping->start), mapping);
    EXPECT_EQ(huge_.PeekAt(mapping->start + mapping->bytes - 1), mapping);
  }
  for (HugeMapping* mapping : mappings_) {
    const char* start = mapping->start;
    huge_.Free(mapping);
    EXPECT_EQ(huge_.PeekAt(start), nullptr);
  }
}

TEST_F(HugeMappingsTest, RoundsToHugePagesWhereThatIsLittle) {
  EXPECT_EQ(huge_.RoundUp(0, false), kPageSize);
  EXPECT_EQ(huge_.RoundUp(17 * kMiB + 1, false), 17 * kMiB + kPageSize);
  huge_.set_wants_huge_pages(true);
  const size_t whole = kIsSecure ? 17 * kMiB : 18 * kMiB;
  EXPECT_EQ(huge_.RoundUp(17 * kMiB, false), whole);
  EXPECT_EQ(huge_.RoundUp(17 * kMiB, true), 17 * kMiB);
  EXPECT_EQ(huge_.RoundUp(17 * kMiB - kPageSize, false),
            kIsSecure ? whole - kPageSize : whole);
  // More than a quarter.
  EXPECT_EQ(huge_.RoundUp(9 * kMiB / 2, false), 9 * kMiB / 2);
  EXPECT_EQ(huge_.RoundUp(25 * kMiB / 4, false), 25 * kMiB / 4);
  EXPECT_EQ(huge_.RoundUp(13 * kMiB / 2, false),
            kIsSecure ? 13 * kMiB / 2 : 8 * kMiB);
}

// What a program does with one block tells what it will do with the next.
TEST_F(HugeMappingsTest, HugePagesAreForBlocksThatAreFilled) {
  huge_.set_wants_huge_pages(true);
  const auto is_advised = [this](size_t bytes, bool zeroed, size_t filled) {
    const size_t before = pages_.Count(Verb::kAdviseHugePages);
    HugeMapping* mapping = Allocate(bytes, kPageSize, zeroed);
    memset(mapping->start, 1, filled);
    mappings_.push_back(mapping);
    return pages_.Count(Verb::kAdviseHugePages) != before;
  };
  constexpr size_t kBytes = 6 * kMiB;
  EXPECT_TRUE(is_advised(kBytes, false, kBytes / 2));  // the first
  EXPECT_FALSE(is_advised(kBytes, false, kBytes * 4 / 5));
  EXPECT_TRUE(is_advised(kBytes, false, 0));
  EXPECT_FALSE(is_advised(kBytes, false, 0));
  EXPECT_TRUE(is_advised(32 * kMiB, false, 0));
  EXPECT_FALSE(is_advised(kBytes, false, kBytes));
  EXPECT_FALSE(is_advised(kBytes, true, kBytes));
  // The newest of them may be gone by then.
  for (HugeMapping* mapping : mappings_) huge_.Free(mapping);
  huge_.Purge(0);
  mappings_.clear();
  EXPECT_TRUE(is_advised(kBytes, false, 0));
  huge_.Free(mappings_[0]);
  huge_.Purge(0);
  EXPECT_FALSE(is_advised(kBytes, false, 0));
  huge_.Free(mappings_[1]);
}

// Or each realloc of a program that grows it would unmap the end again.
TEST_F(HugeMappingsTest, WhatWasRoundedStaysSo) {
  if (kIsSecure) GTEST_SKIP() << "nothing is rounded";
  huge_.set_wants_huge_pages(true);
  HugeMapping* mapping = Allocate(huge_.RoundUp(17 * kMiB, false));
  EXPECT_TRUE(huge_.Resize(mapping, 17 * kMiB + 1, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 18 * kMiB);
  EXPECT_TRUE(huge_.Resize(mapping, 9 * kMiB / 2, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 9 * kMiB / 2);
  huge_.Free(mapping);
  // What a limit counts has no more than was asked for.
  mapping = Allocate(huge_.RoundUp(17 * kMiB, false));
  EXPECT_TRUE(huge_.Resize(mapping, 17 * kMiB + 1, /*may_move=*/true,
                           /*is_limited=*/true));
  EXPECT_EQ(mapping->bytes, 17 * kMiB + kPageSize);
  huge_.Free(mapping);
}

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

TEST_F(HugeMappingsTest, AlignmentsHold) {
  for (size_t alignment = kPageSize; alignment <= size_t{1} << 30;
       alignment *= 8) {
    HugeMapping* mapping = Allocate(9 * kMiB, alignment);
    ASSERT_NE(mapping, nullptr) << alignment;
    EXPECT_TRUE(
        IsAligned(reinterpret_cast<uintptr_t>(mapping->start), alignment));
    huge_.Free(mapping);
  }
}

TEST_F(HugeMappingsTest, ResizingKeepsTheContents) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  memset(mapping->start, 7, mapping->bytes);
  EXPECT_FALSE(huge_.Resize(mapping, 90 * kMiB, /*may_move=*/false));
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
  ASSERT_TRUE(huge_.Resize(mapping, 90 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 90 * kMiB);
  EXPECT_EQ(mapping->start[9 * kMiB - 1], 7);
  EXPECT_EQ(mapping->start[9 * kMiB], 0);
  EXPECT_EQ(huge_.Find(mapping->start + 89 * kMiB), mapping);
  ASSERT_TRUE(huge_.Resize(mapping, 8 * kMiB, /*may_move=*/false));
  EXPECT_EQ(huge_.Find(mapping->start + 9 * kMiB), nullptr);
  EXPECT_EQ(mapping->start[8 * kMiB - 1], 7);
  EXPECT_EQ(huge_.live_bytes(), 8 * kMiB);
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

TEST_F(HugeMappingsTest, FailuresOfThePageSourceAreSurvived) {
  pages_.FailFrom(0);
  EXPECT_EQ(Allocate(9 * kMiB), nullptr);
  pages_.StopFailing();
  HugeMapping* mapping = Allocate(9 * kMiB);
  memset(mapping->start, 7, mapping->bytes);
  pages_.FailFrom(0);
  EXPECT_FALSE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  EXPECT_EQ(Allocate(9 * kMiB), nullptr);
  // A page that can't be given back stays the block's. In secure the one behind
  // it would not fault any more: nothing is changed.
  EXPECT_EQ(huge_.Resize(mapping, 8 * kMiB, /*may_move=*/false), !kIsSecure);
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
  EXPECT_EQ(huge_.live_bytes(), 9 * kMiB);
  EXPECT_EQ(mapping->start[8 * kMiB - 1], 7);
  huge_.CheckInvariants();
  pages_.StopFailing();
  huge_.Free(mapping);
}

TEST_F(HugeMappingsTest, SizesThatNobodyHasAreRefused) {
  EXPECT_EQ(Allocate(kMaxRequest), nullptr);
  EXPECT_TRUE(pages_.journal().empty());
  EXPECT_EQ(Allocate(size_t{1} << 50), nullptr);
  HugeMapping* mapping = Allocate(9 * kMiB);
  // The system isn't asked for what rounding up makes more than there can be.
  const size_t calls = pages_.journal().size();
  EXPECT_FALSE(huge_.Resize(mapping, kMaxRequest, /*may_move=*/true));
  EXPECT_EQ(pages_.journal().size(), calls);
  EXPECT_FALSE(huge_.Resize(mapping, size_t{1} << 50, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
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

TEST_F(HugeMappingsTest, EachOfManyMayMove) {
  for (size_t i = 0; i < 6; ++i) {
    mappings_.push_back(Allocate(9 * kMiB));
    mappings_[i]->start[9 * kMiB - 1] = static_cast<char>(i);
  }
  for (HugeMapping* mapping : mappings_) {
    ASSERT_TRUE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
    huge_.CheckInvariants();
    for (size_t i = 0; i < 6; ++i) {
      const HugeMapping* one = mappings_[i];
      EXPECT_EQ(huge_.Find(one->start), one);
      EXPECT_EQ(huge_.Find(one->start + one->bytes - 1), one);
      EXPECT_EQ(one->start[9 * kMiB - 1], static_cast<char>(i));
    }
  }
}

// --- Damage: the check names it, and where it is. ---

TEST_F(HugeMappingsTest, TheCheckNamesARecordThatDoesNotAddUp) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  mapping->bytes += kPageSize;
  BrokenInvariant broken;
  EXPECT_FALSE(huge_.Check(&broken));
  EXPECT_STREQ(broken.what, "broken record of a huge mapping");
  EXPECT_EQ(broken.where, mapping->start);
  mapping->bytes -= kPageSize;
}

TEST_F(HugeMappingsTest, TheCheckCountsWhatIsLive) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  mapping->bytes += kPageSize;
  ++mapping->piece_pages[0];
  BrokenInvariant broken;
  EXPECT_FALSE(huge_.Check(&broken));
  EXPECT_STREQ(broken.what, "wrong count of huge mappings");
  mapping->bytes -= kPageSize;
  --mapping->piece_pages[0];
}

TEST_F(HugeMappingsTest, TheCheckNamesMappingsThatOverlapOrAreOdd) {
  HugeMapping* mappings[] = {Allocate(9 * kMiB), Allocate(9 * kMiB)};
  HugeMapping* low = mappings[mappings[0]->start > mappings[1]->start];
  HugeMapping* high = mappings[mappings[0]->start < mappings[1]->start];
  const auto gap = static_cast<size_t>(high->start - low->start);
  BrokenInvariant broken;
  low->bytes = gap + kPageSize;
  low->piece_pages[0] = static_cast<uint32_t>(gap / kPageSize + 1);
  EXPECT_FALSE(huge_.Check(&broken));
  EXPECT_STREQ(broken.what, "broken record of a huge mapping");
  EXPECT_EQ(broken.where, high->start);
  low->bytes = 9 * kMiB;
  low->piece_pages[0] = 9 * kMiB / kPageSize;
  high->start += 16;
  EXPECT_FALSE(huge_.Check(&broken));
  EXPECT_STREQ(broken.what, "broken record of a huge mapping");
  high->start -= 16;
  low->num_pieces = 0;
  low->bytes = 0;
  EXPECT_FALSE(huge_.Check(&broken));
  EXPECT_STREQ(broken.what, "broken record of a huge mapping");
  low->num_pieces = 1;
  low->bytes = 9 * kMiB;
}

TEST_F(HugeMappingsTest, TheCheckNamesAMappingOutOfOrder) {
  Allocate(9 * kMiB);
  HugeMapping* mapping = Allocate(9 * kMiB);
  Allocate(9 * kMiB);
  char* const start = mapping->start;
  BrokenInvariant broken;
  // Below the first, then above the last: one of them is wrong where it is.
  mapping->start = reinterpret_cast<char*>(uintptr_t{kPageSize});
  const bool is_good_below = huge_.Check(&broken);
  mapping->start = reinterpret_cast<char*>(uintptr_t{1} << 62);
  const bool is_good_above = huge_.Check(&broken);
  mapping->start = start;
  EXPECT_FALSE(is_good_below && is_good_above);
  EXPECT_STREQ(broken.what, "broken tree of huge mappings");
}

}  // namespace
}  // namespace myonly::internal
