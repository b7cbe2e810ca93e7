#include "allocator/large/huge_mapping.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "gtest/gtest.h"
#include "tests/large/huge_mappings_fixture.h"

namespace myonly::internal {
namespace {

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

// As in a child of fork that does not have what was mapped there.
TEST_F(HugeMappingsTest, AddressesThatTheSystemHasGivenAwayAreTheNextOnes) {
  HugeMapping* lost = Allocate(64 * kMiB);
  HugeMapping* other = Allocate(9 * kMiB);
  char* start = lost->start;
  const size_t kept = huge_.live_bytes() - lost->bytes;
  munmap(start, lost->bytes + kPageSize);
  std::vector<HugeMapping*> next;
  for (int i = 0; i < 5; ++i) {
    next.push_back(Allocate(10 * kMiB));
    memset(next[i]->start, 1, next[i]->bytes);
  }
  ASSERT_NE(huge_.Find(start + 32 * kMiB), lost) << "the system took others";
  for (HugeMapping* mapping : next) {
    EXPECT_EQ(huge_.Find(mapping->start), mapping);
    EXPECT_EQ(huge_.Find(mapping->start + mapping->bytes - 1), mapping);
    EXPECT_EQ(huge_.PeekAt(mapping->start), mapping);
  }
  EXPECT_EQ(huge_.live_bytes(), kept + 50 * kMiB);
  // Its owner may still give it back.
  huge_.Free(lost);
  for (HugeMapping* mapping : next) {
    EXPECT_EQ(mapping->start[5 * kMiB], 1);
    huge_.Free(mapping);
  }
  huge_.Free(other);
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
  EXPECT_FALSE(is_advised(kBytes, false, kBytes / 2));  // the first
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

// Where it takes long to make a huge page, or there is none, a block has one at
// most; and the next ones have none for a while.
TEST_F(HugeMappingsTest, HugePagesAreForSystemsThatMakeThemFast) {
  huge_.set_wants_huge_pages(true);
  constexpr size_t kBytes = 40 * kMiB;
  const auto allocate = [this](bool is_fast) {
    const size_t tries = pages_.Count(Verb::kPopulateHuge);
    const size_t advice = pages_.Count(Verb::kAdviseHugePages);
    pages_.set_huge_pages_are_slow(!is_fast);
    mappings_.push_back(Allocate(kBytes));
    memset(mappings_.back()->start + kBytes / 4 * 3, 1, 1);
    const size_t advised = pages_.Count(Verb::kAdviseHugePages) - advice;
    return std::pair(pages_.Count(Verb::kPopulateHuge) - tries, advised);
  };
  using Tried = std::pair<size_t, size_t>;
  EXPECT_EQ(allocate(true), Tried(0, 1));  // nothing is known of them yet
  EXPECT_EQ(allocate(true), Tried(1, 1));
  for (const FakePageSource::Call& call : pages_.journal()) {
    if (call.verb != Verb::kPopulateHuge) continue;
    EXPECT_EQ(call.start, mappings_[1]->start);
    EXPECT_EQ(call.bytes, 2 * kMiB);
  }
  EXPECT_EQ(allocate(false), Tried(1, 0));
  EXPECT_EQ(allocate(true), Tried(0, 0));  // of 8 MiB that go by
  EXPECT_EQ(allocate(true), Tried(1, 0));  // one tells little of the others
  EXPECT_EQ(allocate(true), Tried(1, 1));
  for (HugeMapping* mapping : mappings_) huge_.Free(mapping);
  mappings_.clear();
}

// The system fills what is added to a mapping as its first pages were advised.
TEST_F(HugeMappingsTest, WhatAKeptMappingGrowsByMayHaveThem) {
  if (kIsSecure) GTEST_SKIP() << "none is kept";
  huge_.set_wants_huge_pages(true);
  HugeMapping* mapping = Allocate(6 * kMiB);
  memset(mapping->start, 1, mapping->bytes);
  huge_.Free(mapping);
  ASSERT_EQ(pages_.Count(Verb::kAdviseHugePages), 0U);
  mapping = Allocate(7 * kMiB);  // too little for one
  EXPECT_EQ(pages_.Count(Verb::kAdviseHugePages), 0U);
  huge_.Free(mapping);
  const size_t reserved = pages_.Count(Verb::kReserve);
  mapping = Allocate(12 * kMiB);
  ASSERT_EQ(pages_.Count(Verb::kReserve), reserved);
  ASSERT_EQ(pages_.Count(Verb::kAdviseHugePages), 1U);
  for (const FakePageSource::Call& call : pages_.journal()) {
    if (call.verb != Verb::kAdviseHugePages) continue;
    EXPECT_EQ(call.start, mapping->start);
    EXPECT_EQ(call.bytes, 12 * kMiB);
  }
  huge_.Free(mapping);
}

TEST_F(HugeMappingsTest, WhatAKeptMappingGrowsByHasNoneWhereTheyAreSlow) {
  if (kIsSecure) GTEST_SKIP() << "none is kept";
  huge_.set_wants_huge_pages(true);
  pages_.set_huge_pages_are_slow(true);
  for (size_t i = 0; i < 2; ++i) {
    mappings_.push_back(Allocate(6 * kMiB));
    memset(mappings_[i]->start, 1, mappings_[i]->bytes);
  }
  ASSERT_EQ(pages_.Count(Verb::kPopulateHuge), 1U);
  huge_.Free(mappings_[1]);
  pages_.set_huge_pages_are_slow(false);
  const size_t reserved = pages_.Count(Verb::kReserve);
  for (const size_t size : {12, 18}) {  // 8 MiB go by
    HugeMapping* mapping = Allocate(size * kMiB);
    memset(mapping->start, 1, mapping->bytes);
    huge_.Free(mapping);
  }
  EXPECT_EQ(pages_.Count(Verb::kReserve), reserved);
  EXPECT_EQ(pages_.Count(Verb::kAdviseHugePages), 0U);
  huge_.Free(mappings_[0]);
  mappings_.clear();
}

TEST_F(HugeMappingsTest, BlocksThatNobodyFillsAreNotTouched) {
  huge_.set_wants_huge_pages(true);
  for (int i = 0; i < 5; ++i) mappings_.push_back(Allocate(40 * kMiB));
  EXPECT_EQ(pages_.Count(Verb::kPopulateHuge), 0U);
  EXPECT_EQ(pages_.Count(Verb::kAdviseHugePages), 5U);
  for (HugeMapping* mapping : mappings_) huge_.Free(mapping);
  mappings_.clear();
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
  const size_t before = pages_.journal().size();
  EXPECT_EQ(Allocate(HugeMappings::kMaxBytes + 1), nullptr);
  EXPECT_EQ(pages_.journal().size(), before);
  HugeMapping* mapping = Allocate(9 * kMiB);
  // The system isn't asked for what rounding up makes more than there can be.
  const size_t calls = pages_.journal().size();
  EXPECT_FALSE(huge_.Resize(mapping, kMaxRequest, /*may_move=*/true));
  EXPECT_EQ(pages_.journal().size(), calls);
  EXPECT_FALSE(huge_.Resize(mapping, size_t{1} << 50, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
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
