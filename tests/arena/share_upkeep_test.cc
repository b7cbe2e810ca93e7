// What a thread's share does beside serving: it looks after its memory with
// time and when it is asked, says what others are to look after, and begins
// anew with its arena.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "gtest/gtest.h"
#include "tests/arena/share_fixture.h"

namespace myonly::internal {
namespace {

class ShareUpkeepTest : public ShareFixture {
 protected:
  // Of a share that is warm, so many of each size.
  std::vector<void*> Take(size_t count, const std::vector<size_t>& sizes) {
    std::vector<void*> blocks;
    for (size_t i = 0; i < count; ++i) {
      for (const size_t size : sizes) blocks.push_back(Allocate(size));
    }
    return blocks;
  }
  // One object goes and comes: each few times that is a slow path, which needs
  // no more memory.
  void Tick() { ground_.Free(Allocate(1000)); }
  // With time, of which there is more than enough.
  bool ComesTrue(const std::function<bool()>& condition) {
    const uint64_t start = CoarseMs();
    while (!condition()) {
      if (CoarseMs() - start > 10000) return false;
      for (int i = 0; i < 1000; ++i) Tick();
    }
    return true;
  }
  ArenaStats Published() {
    ArenaStats stats = {};
    share_.AddPublishedStats(&stats);
    return stats;
  }
  ArenaStats Exact() {
    ArenaStats stats = {};
    share_.AddStats(&stats);
    return stats;
  }
};

// --- With time. ---

TEST_F(ShareUpkeepTest, WhatWaitsInQuickListsIsCoalescedWithTime) {
  Warm(1000);
  Warm(20000);
  const std::vector<void*> blocks = Take(40, {20000});
  for (void* block : blocks) ground_.Free(block);
  const size_t held = share_.held_bytes();
  EXPECT_TRUE(ComesTrue([&] { return share_.held_bytes() < held; }));
}

TEST_F(ShareUpkeepTest, PagesInsideFreeBlocksGoWithTime) {
  Warm(1000);
  Warm(60000);
  const std::vector<void*> blocks = Take(40, {60000});
  for (size_t i = 0; i < blocks.size(); i += 2) ground_.Free(blocks[i]);
  const auto inside = [this] {
    size_t calls = 0;
    for (const FakePageSource::Call& call : pages_.journal()) {
      const Slice* slice = ground_.runs().Find(call.start);
      calls += call.verb == FakePageSource::Verb::kPurge && slice != nullptr &&
                       slice->kind == RunKind::kSubHeapRegion
                   ? 1
                   : 0;
    }
    return calls;
  };
  EXPECT_TRUE(ComesTrue([&] { return inside() >= 10; }));
}

TEST_F(ShareUpkeepTest, PagesOfSlabsWithoutAnObjectGoWithTime) {
  Warm(1000);
  const std::vector<void*> objects = Take(4000, {64});
  for (size_t i = 0; i < objects.size(); ++i) {
    if (i % 400 != 0) ground_.Free(objects[i]);
  }
  EXPECT_TRUE(ComesTrue(
      [&] { return pages_.Count(FakePageSource::Verb::kPurge) >= 5; }));
}

TEST_F(ShareUpkeepTest, SlicesThatItsThreadDoesNotWantGoWithTime) {
  Warm(1000);
  bool zeroed;
  Slice* run = ground_.runs().Allocate(1, RunKind::kSlab, &arena_, &zeroed);
  ASSERT_TRUE(cache_.Put(run));
  EXPECT_TRUE(ComesTrue([&] { return cache_.bytes() == 0; }));
}

TEST_F(ShareUpkeepTest, MappingsAndRunsThatAreFreeGoWithTime) {
  Warm(1000);
  ground_.huge().set_cache_floor_bytes(0);
  ground_.runs().set_dirty_floor_bytes(0);
  size_t fresh;
  HugeMapping* mapping = ground_.huge().Allocate(
      size_t{30} << 20, kPageSize, /*zeroed=*/false, &arena_, &fresh);
  // Below the peak it is kept for a while.
  HugeMapping* rest = ground_.huge().Allocate(
      size_t{60} << 20, kPageSize, /*zeroed=*/false, &arena_, &fresh);
  bool zeroed;
  Slice* run = ground_.runs().Allocate(100, RunKind::kLarge, &arena_, &zeroed);
  ground_.runs().Free(run);
  ground_.huge().Free(mapping);
  EXPECT_NE(ground_.huge().cached_bytes(), 0U);
  EXPECT_TRUE(ComesTrue([&] {
    return ground_.huge().cached_bytes() <= (size_t{60} << 20) / 32 &&
           ground_.runs().dirty_bytes() <= 8 * kSliceSize;
  }));
  ground_.huge().Free(rest);
}

TEST_F(ShareUpkeepTest, OthersKnowWithTime) {
  Warm(1000);
  Warm(2000);
  for (int round = 0; round < 2; ++round) {
    Take(50, {2000});
    ASSERT_TRUE(ComesTrue(
        [&] { return Published().live_blocks >= Exact().live_blocks; }));
  }
}

// Who has no share leaves that to the arena.
TEST(ArenaUpkeepTest, WhatIsFreeGoesWithTime) {
  FakePageSource pages;
  Ground ground(pages);
  Arena arena(ground.runs(), ground.huge(), TestSeed, "test");
  arena.Open(ArenaOptions());
  ground.runs().set_dirty_floor_bytes(0);
  bool zeroed;
  ground.runs().Free(
      ground.runs().Allocate(100, RunKind::kLarge, &arena, &zeroed));
  std::vector<void*> blocks(200);
  const auto tick = [&] {
    Status status;
    for (void*& block : blocks) {
      block = arena.AllocateAligned(100, 64, &status);
      ASSERT_NE(block, nullptr);
    }
    for (void* block : blocks) ground.Free(block);
  };
  tick();
  const uint64_t start = CoarseMs();
  const auto is_over = [&] { return CoarseMs() - start > 10000; };
  while (ground.runs().dirty_bytes() > 16 * kSliceSize && !is_over()) tick();
  EXPECT_FALSE(is_over());
  arena.Close(/*require_empty=*/true);
}

// --- When it is asked. ---

TEST_F(ShareUpkeepTest, WhoAllocatesOrFreesGivesWhatItIsAskedFor) {
  for (const bool frees : {false, true}) {
    Warm(1000);
    Warm(20000);
    std::vector<void*> slabs = Take(3200, {1000});
    const std::vector<void*> blocks = Take(4, {20000});
    for (void* block : blocks) ground_.Free(block);
    share_.AskForSpare();
    if (frees) {
      // A slab each 32 of them, at 64 of which it looks.
      for (void* object : slabs) ground_.Free(object);
    } else {
      for (int i = 0; i < 1000; ++i) Tick();
    }
    EXPECT_FALSE(share_.is_asked()) << frees;
  }
}

TEST_F(ShareUpkeepTest, AtTheLimitALargeBlockIsMadeOfWhatItHasToSpare) {
  Warm(20000);
  std::vector<void*> blocks = Take(40, {20000});
  auto& quota = arena_.quota();
  quota.set_limit_bytes(quota.charged_bytes());
  for (void* block : blocks) ground_.Free(block);
  EXPECT_NE(Allocate(300000), nullptr);
  quota.set_limit_bytes(0);
}

// Of what others have freed each request takes in some only: where there is no
// memory, all of it.
TEST_F(ShareUpkeepTest, WithoutMemoryABlockIsMadeOfAllThatOthersHaveFreed) {
  Warm(2000);
  constexpr size_t kTakenIn = 256;
  const std::vector<void*> apart = Take(4 * kTakenIn, {2000});
  // In one region, of which others have a part.
  const std::vector<void*> row = Take(200, {2000});
  const auto at = [&row](size_t i) { return static_cast<char*>(row[i]); };
  size_t first = 0;
  for (size_t i = 1; i < row.size() && i - first < 60; ++i) {
    if (at(i) - at(i - 1) != at(1) - at(0)) first = i;
  }
  ASSERT_LT(first + 60, row.size());
  pages_.FailFrom(0);
  Status status = Status::kOk;
  while (share_.Allocate(2000, kMinAlignment, &status) != nullptr) {
  }
  // Whichever of them are taken in first.
  for (size_t i = 0; i < apart.size(); i += 2) {
    Post(apart[i]);
    if (i != apart.size() / 2) continue;
    for (size_t j = first + 10; j < first + 50; ++j) Post(row[j]);
  }
  EXPECT_NE(share_.Allocate(60000, kMinAlignment, &status), nullptr);
  pages_.StopFailing();
}

TEST_F(ShareUpkeepTest, ItSaysWhenItHasTakenMemory) {
  for (const size_t size : {size_t{20000}, size_t{512}}) {
    Warm(size);
    for (int i = 0; i < 500; ++i) {
      const size_t held = share_.held_bytes();
      share_.TakeNews();
      Allocate(size);
      const bool has_grown = share_.held_bytes() != held;
      ASSERT_EQ((share_.TakeNews() & SubHeap::kGrown) != 0, has_grown) << i;
    }
  }
}

// All of it: what others have posted, what waits in lists, and what is empty.
TEST_F(ShareUpkeepTest, AllThatIsSpareGoes) {
  Warm(2000);
  Warm(64);
  arena_.Reset();
  for (const bool is_posted : {false, true}) {
    for (const size_t size : {size_t{64}, size_t{2000}, size_t{20000}}) {
      std::vector<void*> blocks = Take(10, {size});
      const uint64_t live = Exact().live_blocks;
      size_t mine = 0;
      for (void* block : blocks) {
        const bool is_block =
            ground_.runs().Find(block)->kind == RunKind::kSubHeapRegion;
        mine += ground_.IsOfShare(block) ? 1 : 0;
        is_posted&& is_block ? Post(block) : ground_.Free(block);
      }
      share_.AskForSpare();
      share_.ReleaseSpare();
      EXPECT_FALSE(share_.is_asked());
      EXPECT_EQ(Exact().live_blocks, live - mine);
      EXPECT_EQ(share_.held_bytes(), 0U) << size;
    }
  }
}

// However little time has gone by.
TEST_F(ShareUpkeepTest, WhatItHasIsKnownToOthersAtOnce) {
  constexpr uint64_t kObjects = 20000;
  for (uint64_t i = 0; i < kObjects; ++i) {
    Allocate(100);
    const uint64_t exact = Exact().live_blocks;
    // Sixteen lists of objects of a page, and a bit.
    if (i % 100 == 0) {
      ASSERT_GE(Published().live_blocks + 1000, exact) << i;
    }
  }
}

TEST_F(ShareUpkeepTest, WhatIsReclaimedIsKnownToOthers) {
  EXPECT_FALSE(share_.Reclaim());
  Warm(2000);
  for (void* block : Take(20, {2000})) Post(block);
  share_.Publish();
  const uint64_t before = Published().live_blocks;
  EXPECT_TRUE(share_.Reclaim());
  EXPECT_EQ(Published().live_blocks, before - 20);
  EXPECT_EQ(Exact().live_blocks, before - 20);
}

// However short a time that has waited.
TEST_F(ShareUpkeepTest, StepByStepAllPagesOfSlabsGo) {
  const std::vector<void*> objects = Take(40000, {64});
  for (size_t i = 0; i < objects.size(); ++i) {
    if (i % 400 != 0) ground_.Free(objects[i]);
  }
  int steps = 1;
  for (; share_.PurgeStep(); ++steps) ASSERT_LT(steps, 100);
  const size_t purges = pages_.Count(FakePageSource::Verb::kPurge);
  EXPECT_GE(purges, 50U);
  EXPECT_EQ(share_.Purge(), 0U);
  EXPECT_EQ(pages_.Count(FakePageSource::Verb::kPurge), purges);
}

// --- Its life. ---

TEST_F(ShareUpkeepTest, TheLargestObjectComesFromASlab) {
  Warm(kMaxSlabRequest);
  EXPECT_EQ(ground_.runs().Find(Allocate(kMaxSlabRequest))->kind,
            RunKind::kSlab);
  EXPECT_NE(ground_.runs().Find(Allocate(kMaxSlabRequest + 1))->kind,
            RunKind::kSlab);
}

// What comes to a share whose blocks are gone by then.
TEST_F(ShareUpkeepTest, WhatIsPostedIsForgottenWithTheRest) {
  Warm(2000);
  Post(Allocate(2000));
  ASSERT_FALSE(share_.PeekPosted().empty());
  arena_.Reset();
  EXPECT_TRUE(share_.PeekPosted().empty());
  Warm(2000);
}

TEST_F(ShareUpkeepTest, OthersKnowAtOnceWhatIsGone) {
  Warm(2000);
  Take(100, {64, 2000});
  share_.Publish();
  EXPECT_NE(Published().live_blocks, 0U);
  arena_.Reset();
  EXPECT_EQ(Published().live_blocks, 0U);
  EXPECT_EQ(Published().live_bytes, 0U);
  EXPECT_EQ(Published().region_bytes, 0U);
  EXPECT_EQ(Published().allocations, Exact().allocations);
  EXPECT_NE(Published().allocations, 0U);
  EXPECT_TRUE(arena_.Close(/*require_empty=*/false));
  Open(32);
  EXPECT_EQ(Published().allocations, 0U);
  EXPECT_EQ(Published().peak_live_bytes, 0U);
}

TEST_F(ShareUpkeepTest, AfterFewRequestsAResetMakesItSmallAgain) {
  if (kIsSecure) GTEST_SKIP() << "secure has slabs from the first request on";
  for (const size_t requests : {255, 256}) {
    Take(1000, {64});
    arena_.Reset();
    Take(requests, {64});
    arena_.Reset();
    EXPECT_EQ(ground_.runs().Find(Allocate(64))->kind,
              requests < 256 ? RunKind::kRegion : RunKind::kSlab);
    arena_.Reset();
  }
}

}  // namespace
}  // namespace myonly::internal
