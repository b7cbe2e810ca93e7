// A mapping that is being moved: its old address may be another's before its
// record tells the new one.
#include <cstddef>
#include <cstring>
#include <functional>

#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Lets a test look in the midst of a move.
class WatchedPages final : public PageSource {
 public:
  void* Reserve(size_t bytes, size_t alignment, Access access) override {
    return pages_.Reserve(bytes, alignment, access);
  }
  bool Commit(void* start, size_t bytes) override {
    return pages_.Commit(start, bytes);
  }
  bool Decommit(void* start, size_t bytes) override {
    return pages_.Decommit(start, bytes);
  }
  bool Purge(void* start, size_t bytes) override {
    return pages_.Purge(start, bytes);
  }
  bool Release(void* start, size_t bytes) override {
    if (refuses) return false;
    const bool released = pages_.Release(start, bytes);
    if (when_released) when_released(start);
    return released;
  }
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override {
    if (refuses) return nullptr;
    void* moved = pages_.Remap(start, old_bytes, new_bytes);
    if (when_moved) when_moved(start);
    return moved;
  }
  bool Move(void* start, size_t bytes, void* target) override {
    return pages_.Move(start, bytes, target);
  }
  size_t ReservationLimit() const override { return kMiB; }

  bool refuses = false;
  std::function<void(void* old_start)> when_moved;
  std::function<void(void* start)> when_released;

 private:
  MmapPageSource pages_;
};

class HugeMovesTest : public ::testing::Test {
 protected:
  HugeMapping* Allocate(size_t bytes) {
    size_t fresh_bytes = 0;
    return huge_.Allocate(bytes, kPageSize, /*zeroed=*/false, this,
                          &fresh_bytes);
  }

  WatchedPages pages_;
  MetadataAllocator metadata_{pages_};
  HugeMappings huge_{pages_, metadata_};
};

// As a signal handler may ask while another thread gets that address.
TEST_F(HugeMovesTest, TheOldAddressIsAnothersAsSoonAsThatHasIt) {
  HugeMapping* other = Allocate(9 * kMiB);
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  const HugeMapping* before = nullptr;
  const HugeMapping* after = nullptr;
  pages_.when_moved = [this, other, &before, &after](void* old_start) {
    before = huge_.PeekAt(old_start);
    other->seen_start = static_cast<char*>(old_start);
    after = huge_.PeekAt(old_start);
    other->seen_start = other->start;
  };
  ASSERT_TRUE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  EXPECT_EQ(before, mapping);  // while it is nobody else's
  EXPECT_EQ(after, other);
  // It is done: nobody doubts the new one.
  pages_.when_moved = nullptr;
  EXPECT_EQ(mapping->seen_bytes, 20 * kMiB);
  EXPECT_EQ(huge_.PeekAt(mapping->start + 20 * kMiB - 1), mapping);
  EXPECT_EQ(huge_.PeekAt(other->start), other);
}

TEST_F(HugeMovesTest, OneThatCouldNotMoveIsNotInDoubt) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  pages_.refuses = true;
  EXPECT_FALSE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->seen_bytes, 9 * kMiB);
  EXPECT_EQ(huge_.PeekAt(mapping->start + 9 * kMiB - 1), mapping);
  EXPECT_EQ(huge_.PeekAt(mapping->start + 9 * kMiB), nullptr);
  memset(mapping->start, 1, 9 * kMiB);
}

// The end is another's as soon as it is unmapped.
TEST_F(HugeMovesTest, WhatIsCutOffIsNotSeenAnyMore) {
  if (kIsSecure) GTEST_SKIP() << "secure shrinks by moving (mremap)";
  HugeMapping* mapping = Allocate(20 * kMiB);
  ASSERT_NE(mapping, nullptr);
  const HugeMapping* seen_there = mapping;
  const HugeMapping* seen_before = nullptr;
  pages_.when_released = [this, &seen_there, &seen_before](void* start) {
    seen_there = huge_.PeekAt(start);
    seen_before = huge_.PeekAt(static_cast<char*>(start) - 1);
  };
  ASSERT_TRUE(huge_.Resize(mapping, 9 * kMiB, /*may_move=*/false));
  pages_.when_released = nullptr;
  EXPECT_EQ(seen_there, nullptr);
  EXPECT_EQ(seen_before, mapping);
  // What can't be given back stays the block's.
  pages_.refuses = true;
  EXPECT_TRUE(huge_.Resize(mapping, 5 * kMiB, /*may_move=*/false));
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
  EXPECT_EQ(huge_.PeekAt(mapping->start + 9 * kMiB - 1), mapping);
}

TEST_F(HugeMovesTest, IsSeenWithTheSizeThatItHas) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  for (const size_t mib : {20, 12, 8, 30}) {
    ASSERT_TRUE(huge_.Resize(mapping, mib * kMiB, /*may_move=*/true));
    EXPECT_EQ(mapping->bytes, mib * kMiB);
    EXPECT_EQ(huge_.live_bytes(), mib * kMiB);
    EXPECT_EQ(huge_.PeekAt(mapping->start - 1), nullptr);
    EXPECT_EQ(huge_.PeekAt(mapping->start), mapping);
    EXPECT_EQ(huge_.PeekAt(mapping->start + mib * kMiB - 1), mapping);
    EXPECT_EQ(huge_.PeekAt(mapping->start + mib * kMiB), nullptr);
    EXPECT_EQ(huge_.PeekAt(nullptr), nullptr);
  }
  // To what it has already nothing is asked of the system.
  pages_.refuses = true;
  EXPECT_TRUE(huge_.Resize(mapping, 30 * kMiB - 1, /*may_move=*/true));
  EXPECT_TRUE(huge_.Resize(mapping, 30 * kMiB, /*may_move=*/false));
}

TEST_F(HugeMovesTest, EachIsFoundAfterTheOneBelow) {
  constexpr size_t kCount = 6;
  for (size_t i = 0; i < kCount; ++i) ASSERT_NE(Allocate(9 * kMiB), nullptr);
  const char* last = nullptr;
  char* start = nullptr;
  size_t found = 0;
  while (const HugeMapping* mapping = huge_.FindAfter(last, &start)) {
    EXPECT_GT(start, last);
    EXPECT_EQ(mapping->start, start);
    last = start;
    ASSERT_LE(++found, kCount);
    // The same for each address from there to the next start.
    const HugeMapping* next = huge_.FindAfter(start, &start);
    EXPECT_EQ(huge_.FindAfter(last + mapping->bytes - 1, &start), next);
    start = const_cast<char*>(last);
    EXPECT_EQ(huge_.FindAfter(last - 1, &start), mapping);
  }
  EXPECT_EQ(found, kCount);
}

// The record is used again, or a program that runs for long has ever more.
TEST_F(HugeMovesTest, RecordsDoNotGrowInNumber) {
  for (int i = 0; i < 200; ++i) {
    huge_.FreePoisoned(Allocate(9 * kMiB));
    huge_.Free(Allocate(9 * kMiB));
  }
  const size_t bytes = metadata_.reserved_bytes();
  for (int i = 0; i < 1000; ++i) {
    huge_.FreePoisoned(Allocate(9 * kMiB));
    huge_.Free(Allocate(9 * kMiB));
  }
  EXPECT_EQ(metadata_.reserved_bytes(), bytes);
  huge_.CheckInvariants();
}

}  // namespace
}  // namespace myonly::internal
