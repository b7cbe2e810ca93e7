// A thread's share of an arena: what it tells of itself to its owner and to
// others, when it looks after what was freed, and what its check finds.
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/own_ground.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/blocks/block.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/given_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/share_fixture.h"

namespace myonly::internal {
namespace {

void WaitMs(uint64_t ms) {
  const uint64_t start = CoarseMs();
  while (CoarseMs() - start < ms) {
  }
}

class SharesTest : public ShareFixture {
 protected:
  // Some live, some free, of each kind that a share has.
  void Use(size_t steps) {
    for (size_t i = 0; i < steps; ++i) {
      void* block = Allocate(1 + random_() % (i % 5 == 0 ? 30000 : 1200));
      if (!ground_.IsOfShare(block)) {
        ground_.Free(block);
        continue;
      }
      blocks_.push_back(block);
      ++allocations_;
      if (random_() % 2 == 0) {
        std::swap(blocks_[random_() % blocks_.size()], blocks_.back());
        ground_.Free(blocks_.back());
        blocks_.pop_back();
      }
    }
  }
  uint64_t LiveBytes() {
    uint64_t bytes = 0;
    for (void* block : blocks_) bytes += ground_.UsableSize(block);
    return bytes;
  }
  // By one of the three ways; it is added to what is there.
  template <typename Add>
  ArenaStats StatsBy(Add add) {
    ArenaStats stats = {};
    stats.allocations = stats.frees = stats.live_blocks = 7;
    stats.live_bytes = stats.peak_live_bytes = 7;
    stats.region_bytes = stats.free_block_bytes = 7;
    (share_.*add)(&stats);
    return stats;
  }
  void ExpectExact(const ArenaStats& stats) {
    EXPECT_EQ(stats.allocations, allocations_ + 7);
    EXPECT_EQ(stats.frees, allocations_ - blocks_.size() + 7);
    EXPECT_EQ(stats.live_blocks, blocks_.size() + 7);
    EXPECT_EQ(stats.live_bytes, LiveBytes() + 7);
    EXPECT_GE(stats.peak_live_bytes, LiveBytes() + 7);
    EXPECT_EQ(stats.region_bytes, share_.held_bytes() + 7);
    ExpectWhole(stats);
  }
  // What is held is live, free, or of no use for blocks: tags and ends.
  void ExpectWhole(const ArenaStats& stats) {
    const uint64_t known = stats.live_bytes + stats.free_block_bytes - 14;
    EXPECT_LE(known, share_.held_bytes());
    EXPECT_GE(known, share_.held_bytes() / 10 * 9);
  }

  std::mt19937 random_{5};
  std::vector<void*> blocks_;
  uint64_t allocations_ = 0;
};

// --- Lists. ---

// Malloc's slow path is not needed for them, unless it has other work to do.
TEST_F(SharesTest, WhenAllObjectsAreBackTheyAreTheListAgain) {
  const auto listed = [this] {
    return StatsBy(&SubHeap::PeekStats).allocations -
           StatsBy(&SubHeap::AddStats).allocations;
  };
  // Who calls for little has short lists, and first blocks of a size.
  for (int i = 0; i < 20; ++i) Warm(500);
  for (int i = 0; i < 8; ++i) ground_.Free(Allocate(1000));
  std::vector<void*> objects;
  do {
    objects.push_back(Allocate(1000));
  } while (listed() != 0);
  const auto free_all = [&objects, this](bool has_work) {
    Slice* slab = ground_.runs().Find(objects[0]);
    for (void* object : objects) {
      ASSERT_EQ(ground_.runs().Find(object), slab);
      if (Slab::Free(slab, object)) share_.Attend(slab, has_work);
    }
  };
  free_all(/*has_work=*/true);
  EXPECT_EQ(listed(), 0U);
  for (void*& object : objects) object = Allocate(1000);
  EXPECT_EQ(listed(), 0U);
  free_all(/*has_work=*/false);
  if (listed() == 0) {
    // The next slow path was to look at the clock.
    for (void*& object : objects) object = Allocate(1000);
    free_all(/*has_work=*/false);
  }
  EXPECT_EQ(listed(), objects.size());
}

// Quick lists keep up to 1 MiB of them, and regions are added for that.
TEST_F(SharesTest, BlocksOfManySizesByTurnsTakeLittle) {
  Warm(2000);
  for (int i = 0; i < 20000; ++i)
    ground_.Free(Allocate(1100 + random_() % 30000));
  EXPECT_LE(share_.held_bytes(), size_t{2} << 20);
  EXPECT_GE(share_.held_bytes(), size_t{512} << 10) << "they are not kept";
  share_.Purge();
  EXPECT_LE(share_.held_bytes(), size_t{256} << 10);
}

// What other threads have freed would wait for ever for who needs no slow path.
TEST_F(SharesTest, WhatOthersHaveFreedIsTakenInByWhoUsesOneObject) {
  Warm(1000);
  Warm(64);
  void* theirs = Allocate(64);
  Slice* slab = ground_.runs().Find(theirs);
  ASSERT_EQ(slab->kind, RunKind::kSlab);
  ASSERT_TRUE(Slab::CheckAndMark(slab, theirs));
  auto* object = static_cast<Object*>(theirs);
  SubHeap::Post(slab, {object, object, 1});
  for (int i = 0; i < 100 && share_.PeekPosted().PeekHead() != nullptr; ++i) {
    ground_.Free(Allocate(1000));
  }
  EXPECT_EQ(share_.PeekPosted().PeekHead(), nullptr);
}

// --- Statistics. ---

TEST_F(SharesTest, ItsOwnerSeesWhatItHoldsExactly) {
  for (int round = 0; round < 50 && !HasFailure(); ++round) {
    Use(100);
    ExpectExact(StatsBy(&SubHeap::AddStats));
  }
}

// What others see counts objects as in use until it is known that they are
// not; nothing that is live is missing.
TEST_F(SharesTest, OthersSeeNoLessThanThereIs) {
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    Use(300);
    share_.Purge();
    for (const auto add : {&SubHeap::AddPublishedStats, &SubHeap::PeekStats}) {
      const ArenaStats stats = StatsBy(add);
      EXPECT_EQ(stats.allocations, allocations_ + 7);
      EXPECT_EQ(stats.allocations + 7, stats.frees + stats.live_blocks);
      EXPECT_GE(stats.live_blocks, blocks_.size() + 7);
      EXPECT_LE(stats.live_blocks, stats.allocations);
      EXPECT_GE(stats.live_bytes, LiveBytes() + 7);
      EXPECT_LE(stats.live_bytes, stats.region_bytes);
      EXPECT_EQ(stats.region_bytes, share_.held_bytes() + 7);
      EXPECT_GE(stats.peak_live_bytes, stats.live_bytes);
      EXPECT_LE(stats.peak_live_bytes, stats.region_bytes);
      ExpectWhole(stats);
    }
  }
}

// Lists that go back hold what was neither allocated nor freed.
TEST_F(SharesTest, WhatGoesBackUnusedIsNoFree) {
  Warm(64);
  blocks_.assign(3, nullptr);
  for (void*& block : blocks_) block = Allocate(64);
  ASSERT_TRUE(ground_.IsOfShare(blocks_[0]));
  share_.Purge();
  for (const auto add : {&SubHeap::AddPublishedStats, &SubHeap::PeekStats}) {
    const ArenaStats stats = StatsBy(add);
    EXPECT_EQ(stats.frees, 7U);
    EXPECT_EQ(stats.live_blocks, StatsBy(&SubHeap::AddStats).live_blocks);
  }
}

TEST_F(SharesTest, TheArenaAddsItsSharesUp) {
  Use(500);
  const ArenaStats own = StatsBy(&SubHeap::AddStats);
  const ArenaStats before = arena_.Stats();
  EXPECT_EQ(before.live_blocks, own.live_blocks - 7);
  EXPECT_EQ(before.live_bytes, own.live_bytes - 7);
  Status status = Status::kOk;
  void* block = arena_.Allocate(5000, &status);
  const ArenaStats after = arena_.Stats();
  EXPECT_EQ(after.live_blocks, before.live_blocks + 1);
  EXPECT_EQ(after.live_bytes, before.live_bytes + ground_.UsableSize(block));
  EXPECT_EQ(after.region_bytes, ground_.runs().live_bytes() - cache_.bytes());
}

// Blocks are counted one by one, those that wait in quick lists as free.
TEST_F(SharesTest, OthersSeeItsBlocksExactly) {
  Warm(2000);
  for (int i = 0; i < 2000; ++i) {
    blocks_.push_back(Allocate(1100 + random_() % 20000));
    if (random_() % 2 == 0) {
      std::swap(blocks_[random_() % blocks_.size()], blocks_.back());
      ground_.Free(blocks_.back());
      blocks_.pop_back();
    }
    if (i % 50 != 0) continue;
    const ArenaStats seen = StatsBy(&SubHeap::PeekStats);
    const ArenaStats own = StatsBy(&SubHeap::AddStats);
    ASSERT_EQ(seen.live_blocks, own.live_blocks);
    ASSERT_EQ(seen.live_bytes, own.live_bytes);
    ASSERT_EQ(seen.region_bytes, own.region_bytes);
    ASSERT_EQ(seen.free_block_bytes, own.free_block_bytes);
  }
}

// What it published may be more than it still has.
TEST_F(SharesTest, NoArenaTellsMoreThanItIsCharged) {
  Use(1000);
  Status status = Status::kOk;
  ASSERT_NE(arena_.Allocate(2 << 20, &status), nullptr);
  share_.Publish();
  for (void* block : blocks_) ground_.Free(block);
  blocks_.clear();
  share_.ReleaseSpare();
  const ArenaStats stats =
      arena_.Stats([](uintptr_t /*token*/) { return false; });
  EXPECT_LE(stats.reserved_bytes(), arena_.quota().own_bytes());
}

TEST_F(SharesTest, WhatAResetDropsIsFreed) {
  for (int round = 0; round < 5; ++round) {
    Use(2000);
    arena_.Reset();
    blocks_.clear();
    const ArenaStats stats = StatsBy(&SubHeap::AddStats);
    EXPECT_EQ(stats.allocations, allocations_ + 7);
    EXPECT_EQ(stats.frees, allocations_ + 7);
    EXPECT_EQ(stats.live_bytes, 7U);
  }
}

// --- Its life. ---

TEST_F(SharesTest, ItIsOpenAsLongAsItsArena) {
  EXPECT_TRUE(share_.is_open());
  EXPECT_EQ(share_.handle, 16U);
  Use(2000);
  EXPECT_TRUE(arena_.Close(/*require_empty=*/false));
  EXPECT_FALSE(share_.is_open());
  EXPECT_FALSE(arena_.OpenShare(&share_));
  EXPECT_FALSE(share_.is_open());
  allocations_ = 0;
  arena_.set_token(32);
  arena_.Open(ArenaOptions());
  EXPECT_TRUE(arena_.OpenShare(&share_));
  EXPECT_EQ(share_.handle, 32U);
  // Another arena: it has nothing of the one before.
  EXPECT_EQ(arena_.Stats().allocations, 0U);
  EXPECT_EQ(arena_.Stats().peak_live_bytes, 0U);
}

TEST_F(SharesTest, FewRequestsOfASizeTakeNoSlab) {
  if (kIsSecure) GTEST_SKIP() << "secure has slabs from the first request on";
  Warm(2000);
  const size_t held = share_.held_bytes();
  for (size_t size = 16; size <= 1024; size += 64) {
    for (int i = 0; i < 4; ++i) Allocate(size);
  }
  EXPECT_LE(share_.held_bytes(), held + 2 * kSliceSize);
  for (int i = 0; i < 100; ++i) Allocate(1024);
  EXPECT_GE(share_.held_bytes(), held + 3 * kSliceSize);
}

// Pages that are wanted again are not taken away, unless the arena was made to
// fault then.
TEST_F(SharesTest, AResetLeavesThePagesWhereTheyAre) {
  if (kIsSecure) GTEST_SKIP() << "what is freed faults";
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) Allocate(i % 2 == 0 ? 200 : 20000);
    EXPECT_GE(share_.held_bytes(), 100U * 20000);
    const auto calls = [this](FakePageSource::Verb verb) {
      return pages_.Count(verb);
    };
    const size_t decommits = calls(FakePageSource::Verb::kDecommit);
    const size_t purges = calls(FakePageSource::Verb::kPurge);
    arena_.Reset();
    EXPECT_EQ(share_.held_bytes(), 0U);
    EXPECT_EQ(calls(FakePageSource::Verb::kDecommit), decommits);
    EXPECT_EQ(calls(FakePageSource::Verb::kPurge), purges);
    blocks_.clear();
  }
}

// --- What was freed. ---

TEST_F(SharesTest, ThePurgeOfItsArenaGivesAllOfItBack) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      blocks_.push_back(Allocate(i % 2 == 0 ? 200 : 20000));
    }
    EXPECT_GE(share_.held_bytes(), 150U * 20000);
    for (void* block : blocks_) ground_.Free(block);
    blocks_.clear();
    arena_.Purge();
    EXPECT_EQ(share_.held_bytes(), 0U);
  }
}

TEST_F(SharesTest, ARequestTakesInWhatOthersHavePosted) {
  Warm(2000);
  for (const size_t size : {size_t{2000}, 2 * kMaxBlockRequest}) {
    Post(Allocate(2000));
    EXPECT_FALSE(share_.PeekPosted().empty());
    Allocate(size);
    EXPECT_TRUE(share_.PeekPosted().empty()) << size;
  }
}

// So that no call takes long.
TEST_F(SharesTest, ARequestTakesNoMoreInThanItMay) {
  Warm(2000);
  constexpr size_t kMost = 256;
  for (size_t i = 0; i <= kMost; ++i) blocks_.push_back(Allocate(2000));
  for (void* block : blocks_) Post(block);
  Allocate(2 * kMaxBlockRequest);
  EXPECT_FALSE(share_.PeekPosted().empty());
  Allocate(2 * kMaxBlockRequest);
  EXPECT_TRUE(share_.PeekPosted().empty());
}

// A step is bounded by blocks, not by regions.
TEST_F(SharesTest, FewBlocksOfManyRegionsAreOneStep) {
  for (int i = 0; i < 200; ++i) blocks_.push_back(Allocate(20000));
  EXPECT_GE(share_.held_bytes(), 8 * (size_t{256} << 10));  // 8 regions
  EXPECT_FALSE(share_.PurgeStep());
}

TEST_F(SharesTest, WhoOnlyFreesLooksAfterItsMemoryWithTime) {
  for (int i = 0; i < 200; ++i) blocks_.push_back(Allocate(60000));
  share_.TakeNews();
  WaitMs(50);
  for (void* block : blocks_) ground_.Free(block);
  EXPECT_NE(share_.TakeNews() & SubHeap::kTicked, 0);
}

// As it may call for little then, each call that takes long looks for a while.
TEST_F(SharesTest, WhoHasFreedMuchLooksAfterItsMemoryAtEachCall) {
  for (int i = 0; i < 200; ++i) blocks_.push_back(Allocate(60000));
  for (void* block : blocks_) ground_.Free(block);
  // Nothing else is left to do.
  share_.Purge();
  ground_.runs().Purge(0);
  for (int looks = 0; looks < 5; ++looks) {
    WaitMs(12);
    share_.TakeNews();
    // Not from a list: nothing of this size was freed.
    Allocate(30000);
    EXPECT_NE(share_.TakeNews() & SubHeap::kTicked, 0) << looks;
  }
}

// Its lists of objects go back then; others see those as allocated.
TEST_F(SharesTest, WhoFreesSomeIsNotIdleAndWhoFreesForLongIs) {
  const auto listed = [this] {
    return StatsBy(&SubHeap::PeekStats).allocations -
           StatsBy(&SubHeap::AddStats).allocations;
  };
  const auto take = [this](size_t slabs) {
    for (size_t i = 0; i < slabs * 32; ++i) blocks_.push_back(Allocate(1000));
  };
  const auto free_some = [this](size_t slabs) {
    for (size_t i = slabs * 32; i != 0 && !blocks_.empty(); --i) {
      ground_.Free(blocks_.back());
      blocks_.pop_back();
    }
  };
  for (int tries = 0; tries < 6; ++tries) {
    take(2000);
    // Calls enough for who is not idle, and frees, within so short a time that
    // what they do is looked at once.
    const uint64_t start = CoarseMs();
    take(100);
    while (listed() == 0) Allocate(500);
    const uint64_t before = listed();
    free_some(200);
    const uint64_t after = listed();
    const bool in_time = CoarseMs() - start < 8;
    // However short the time.
    free_some(1300);
    EXPECT_EQ(listed(), 0U);
    free_some(2000);
    EXPECT_EQ(listed(), 0U);
    if (!in_time) continue;
    // Frees may have made lists longer.
    EXPECT_GE(after, before);
    return;
  }
  GTEST_SKIP()
      << "six times 2,300 calls took 8 ms or more: what is done within "
         "one look at the clock can't be seen on so busy a machine";
}

// One with nothing to give back is no reason to call more often.
TEST_F(SharesTest, WhoOnlyAllocatesKeepsItsLists) {
  Warm(500);
  for (int looks = 0; looks < 3; ++looks) {
    WaitMs(12);
    while (share_.held_bytes() == 0) Allocate(500);
    const auto listed = [this] {
      return StatsBy(&SubHeap::PeekStats).allocations -
             StatsBy(&SubHeap::AddStats).allocations;
    };
    while (listed() == 0) Allocate(500);
    const uint64_t before = listed();
    share_.TakeNews();
    while ((share_.TakeNews() & SubHeap::kTicked) == 0) Allocate(2000);
    EXPECT_EQ(listed(), before) << looks;
  }
}

// Its blocks have what its slabs can spare, before the arena's lock is taken
// for each of them.
TEST_F(SharesTest, AtTheLimitASlabThatIsEmptyBecomesARegion) {
  Warm(4000);
  std::vector<void*> objects;
  for (int i = 0; i < 20; ++i) objects.push_back(Allocate(64));
  for (void* object : objects) ground_.Free(object);
  auto& quota = arena_.quota();
  quota.set_limit_bytes(quota.charged_bytes());
  const size_t held = share_.held_bytes();
  Status status = Status::kOk;
  while (share_.Allocate(4000, kMinAlignment, &status) != nullptr) {
  }
  EXPECT_EQ(status, Status::kQuota);
  EXPECT_EQ(share_.held_bytes(), held);
  EXPECT_EQ(quota.charged_bytes(), quota.limit_bytes());
  quota.set_limit_bytes(0);
}

// A thread's cache is for the process's slices only.
TEST_F(SharesTest, WhatAnArenaHasOfItsOwnStaysWithIt) {
  std::vector<char> buffer(1 << 20);
  OwnGround own(GivenPageSource(), ground_.huge(), TestSeed);
  own.runs.Adopt(buffer.data(), buffer.size());
  own.arena.Open(ArenaOptions());
  for (int round = 0; round < 3; ++round) {
    Status status = Status::kOk;
    while (own.arena.Allocate(1000, &status) != nullptr) {
    }
    own.arena.Reset(&cache_);
    EXPECT_EQ(cache_.bytes(), 0U);
    EXPECT_EQ(own.runs.live_bytes(), 0U);
  }
  EXPECT_TRUE(own.arena.Close(/*require_empty=*/true, &cache_));
}

TEST_F(SharesTest, ASmallBufferIsOneRegion) {
  std::vector<char> buffer(3 * kSliceSize);
  OwnGround own(GivenPageSource(), ground_.huge(), TestSeed);
  own.runs.Adopt(buffer.data(), buffer.size());
  ASSERT_NE(own.runs.BytesIfFew(), 0U);
  own.arena.Open(ArenaOptions());
  Status status = Status::kOk;
  EXPECT_NE(own.arena.Allocate(100, &status), nullptr);
  EXPECT_EQ(own.arena.Stats().region_bytes, own.runs.BytesIfFew());
  EXPECT_TRUE(own.arena.Close(/*require_empty=*/false));
}

// --- Checks. ---

TEST_F(SharesTest, TheCheckLooksAtEachObjectOfItsLists) {
  if (kIsSecure) GTEST_SKIP() << "links are keyed";
  Warm(64);
  Warm(96);
  const auto broken = [this] {
    BrokenInvariant broken;
    return share_.CheckInvariants(&broken) ? "nothing" : broken.what;
  };
  Object* first = share_.lists[SizeClassFor(64)];
  Object* other = share_.lists[SizeClassFor(96)];
  ASSERT_FALSE(Slab::IsEnd(first) || Slab::IsEnd(other));
  Object* const good = first->next;
  ASSERT_FALSE(Slab::IsEnd(good));
  ASSERT_STREQ(broken(), "nothing");
  char* start = reinterpret_cast<char*>(good);
  Object copy = *good;
  for (void* link : {static_cast<void*>(other), static_cast<void*>(&copy),
                     static_cast<void*>(start + 16), static_cast<void*>(first),
                     Allocate(4000)}) {
    first->next = static_cast<Object*>(link);
    EXPECT_STREQ(broken(), "overwritten free object");
  }
  first->next = good;
  if (kChecksObjects) {
    const uintptr_t mark = good->mark;
    good->mark = 0;
    EXPECT_STREQ(broken(), "overwritten free object");
    good->mark = mark;
  }
  EXPECT_STREQ(broken(), "nothing");
}

// All lists and tags are in order; only the sum is not.
TEST_F(SharesTest, TheCheckFindsABlockThatReachesOverAFreeOne) {
  Warm(2000);
  void* payloads[3];
  for (void*& payload : payloads) payload = Allocate(2000);
  Block* first = Block::FromPayload(payloads[0]);
  ASSERT_EQ(first->Next()->payload(), payloads[1]);
  ASSERT_EQ(first->Next()->Next()->payload(), payloads[2]);
  ground_.Free(payloads[1]);
  share_.Purge();
  BrokenInvariant broken;
  ASSERT_TRUE(share_.CheckInvariants(&broken));

  const uint64_t key = share_.PeekSealKey();
  Block* last = Block::FromPayload(payloads[2]);
  const uint64_t words[2] = {first->Load(), last->Load()};
  BoundaryTag tag = first->Read();
  ASSERT_FALSE(first->Next()->Read().used);
  tag.size += first->Next()->size();
  const size_t size = tag.size;
  first->Write(key, tag);
  tag = last->Read();
  tag.previous_size = size;
  tag.previous_free = false;
  last->Write(key, tag);
  EXPECT_FALSE(share_.CheckInvariants(&broken));
  EXPECT_STREQ(broken.what, "wrong count of live blocks");
  first->Store(words[0]);
  last->Store(words[1]);
  EXPECT_TRUE(share_.CheckInvariants(&broken));
}

}  // namespace
}  // namespace myonly::internal
