// What the registry of threads asks of the states that it knows, step by step
// and by the time that it is told.
#include "allocator/threads/thread_registry.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/remote_free_queue.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/clock.h"
#include "allocator/base/invariant.h"
#include "allocator/base/mutex.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/blocks/block.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/threads/thread_state.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

class ThreadRegistryTest : public ::testing::Test {
 protected:
  static constexpr size_t kMost = 160;

  ThreadRegistryTest() : lists_(kMost * kNumSizeClasses) {
    arena_.Open(ArenaOptions());
    own_ = Acquire();
  }

  // With a place of its own for its lists.
  ThreadState* Acquire() {
    ThreadState* state = threads_.Acquire(&lists_[used_++ * kNumSizeClasses]);
    EXPECT_NE(state, nullptr);
    return state;
  }
  // A slice that the thread keeps for later.
  void KeepSlice(ThreadState* state) {
    bool zeroed;
    Slice* run = ground_.runs().Allocate(1, RunKind::kSlab, &arena_, &zeroed);
    EXPECT_TRUE(state->slices()->Put(run));
  }
  size_t KeptSlices() { return ground_.runs().live_bytes() / kSliceSize; }
  // A block in a region of the state's own.
  char* TakeBlock(ThreadState* state) {
    Status status;
    void* ptr = nullptr;
    while (ptr == nullptr ||
           ground_.runs().Find(ptr)->owner != &state->heap()) {
      ptr = state->Allocate(state->heap(), 4000, kMinAlignment, &status);
    }
    return static_cast<char*>(ptr);
  }
  // Another thread frees it.
  void Post(ThreadState* state, char* block) {
    Slice* region = ground_.runs().Find(block);
    ASSERT_TRUE(state->heap().MarkPosted(region, block));
    auto* first = reinterpret_cast<Object*>(block);
    SubHeap::Post(region, RemoteChain{first, first, 1});
  }

  // Whether another thread gets through while this one has the lock.
  bool NeedsNoLock(const std::function<void()>& act) {
    std::atomic<bool> may_begin{false};
    std::atomic<bool> is_done{false};
    std::thread other([&act, &may_begin, &is_done] {
      while (!may_begin) std::this_thread::yield();
      act();
      is_done = true;
    });
    bool was_done;
    {
      MutexLock lock(threads_.mutex());
      may_begin = true;
      for (int i = 0; i < 5000 && !is_done; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      was_done = is_done;
    }
    other.join();
    return was_done;
  }

  FakePageSource pages_;
  Ground ground_{pages_};
  Arena arena_{ground_.runs(), ground_.huge(), TestSeed, "process"};
  ThreadRegistry threads_{ground_.metadata(), ground_.runs(), ground_.huge(),
                          arena_, TestSeed};
  std::vector<Object*> lists_;
  size_t used_ = 0;
  ThreadState* own_ = nullptr;
};

TEST_F(ThreadRegistryTest, SlicesOfThreadsThatIdleForASecondGoBack) {
  KeepSlice(own_);
  threads_.ReleaseIdleSlices(99);
  threads_.ReleaseIdleSlices(999);
  EXPECT_EQ(KeptSlices(), 1U);
  threads_.ReleaseIdleSlices(1098);  // too soon after the last look
  EXPECT_EQ(KeptSlices(), 1U);
  threads_.ReleaseIdleSlices(1099);
  EXPECT_EQ(KeptSlices(), 0U);
  // Its thread has just been looking.
  own_->slices()->Decay(ground_.runs(), 5000);
  KeepSlice(own_);
  threads_.ReleaseIdleSlices(5999);
  EXPECT_EQ(KeptSlices(), 1U);
  threads_.ReleaseIdleSlices(6099);
  EXPECT_EQ(KeptSlices(), 0U);
  // A second is enough.
  own_->slices()->Decay(ground_.runs(), 8000);
  KeepSlice(own_);
  threads_.ReleaseIdleSlices(9000);
  EXPECT_EQ(KeptSlices(), 0U);
}

TEST_F(ThreadRegistryTest, SoManyStatesAreLookedAtATime) {
  KeepSlice(own_);
  for (size_t i = 1; i < 100; ++i) KeepSlice(Acquire());
  EXPECT_EQ(KeptSlices(), 100U);
  threads_.ReleaseIdleSlices(5000);
  EXPECT_EQ(KeptSlices(), 36U);
  threads_.ReleaseIdleSlices(5100);
  EXPECT_EQ(KeptSlices(), 0U);
  KeepSlice(own_);
  threads_.ReleaseSlices();
  EXPECT_EQ(KeptSlices(), 0U);
}

TEST_F(ThreadRegistryTest, OrphansArePurgedWhenTheyHaveWaitedForASecond) {
  EXPECT_FALSE(threads_.PurgeOldOrphan(CoarseMs()));
  ThreadState* state = Acquire();
  KeepSlice(state);
  const uint64_t before = CoarseMs();
  threads_.Release(state);
  const uint64_t after = CoarseMs();
  EXPECT_TRUE(threads_.PurgeOldOrphan(before + 999));
  EXPECT_EQ(KeptSlices(), 1U);
  EXPECT_TRUE(threads_.PurgeOldOrphan(after + 1000));
  EXPECT_EQ(KeptSlices(), 0U);
  EXPECT_FALSE(threads_.PurgeOldOrphan(after + 1000));
  // Once; but again when it has had another thread.
  KeepSlice(state);
  EXPECT_FALSE(threads_.PurgeOldOrphan(after + 9000));
  EXPECT_EQ(KeptSlices(), 1U);
  ASSERT_EQ(Acquire(), state);
  threads_.Release(state);
  EXPECT_TRUE(threads_.PurgeOldOrphan(CoarseMs() + 1000));
  EXPECT_EQ(KeptSlices(), 0U);
}

// Step by step, but all of it.
TEST_F(ThreadRegistryTest, AnOrphanIsPurgedToItsEnd) {
  ThreadState* state = Acquire();
  Status status;
  const auto take = [state, &status](size_t size) {
    void* ptr = state->Allocate(state->heap(), size, kMinAlignment, &status);
    EXPECT_NE(ptr, nullptr);
    return ptr;
  };
  TakeBlock(state);
  void* block = take(40000);
  // In regions that came later: a step does not see that far.
  for (int i = 0; i < 5000; ++i) take(1100);
  state->heap().FreeBlock(ground_.runs().Find(block), block);
  threads_.Release(state);
  const uint64_t late = CoarseMs() + 1000;
  int steps = 0;
  while (threads_.PurgeOldOrphan(late) && steps < 100) ++steps;
  EXPECT_GT(steps, 1);
  EXPECT_LT(steps, 100);
  EXPECT_EQ(threads_.PurgeOthers(own_, true), 0U) << "something was left";
}

// Of the youngest eight.
TEST_F(ThreadRegistryTest, WhatCameHomeToAnOrphanIsReclaimed) {
  for (const size_t younger : {7, 8}) {
    std::vector<ThreadState*> states;
    for (size_t i = 0; i <= younger; ++i) states.push_back(Acquire());
    ThreadState* first = states[0];
    Post(first, TakeBlock(first));
    KeepSlice(first);
    for (ThreadState* state : states) threads_.Release(state);
    EXPECT_FALSE(first->heap().PeekPosted().empty());
    threads_.ReclaimFromOrphan();
    EXPECT_EQ(first->heap().PeekPosted().empty(), younger == 7);
    EXPECT_EQ(first->slices()->bytes(), younger == 7 ? 0 : kSliceSize);
    // In use again, so that the next ones are new.
    for (size_t i = 0; i <= younger; ++i) Acquire();
  }
  threads_.ReclaimFromOrphan();
}

// A thread that grows asks for orphans without a lock, and there is none once
// the last one has a thread again.
TEST_F(ThreadRegistryTest, WithoutOrphansNobodyWaitsToReclaim) {
  threads_.Release(Acquire());
  Acquire();
  EXPECT_TRUE(NeedsNoLock([this] { threads_.ReclaimFromOrphan(); }));
}

// Nor does who looks for old ones, once all have been purged, nor at threads
// that idle too soon.
TEST_F(ThreadRegistryTest, WithNothingToPurgeNobodyWaits) {
  threads_.Release(Acquire());
  const uint64_t late = CoarseMs() + 1000;
  while (threads_.PurgeOldOrphan(late)) {
  }
  EXPECT_TRUE(NeedsNoLock(
      [this, late] { EXPECT_FALSE(threads_.PurgeOldOrphan(late)); }));
  threads_.ReleaseIdleSlices(5000);
  EXPECT_TRUE(NeedsNoLock([this] { threads_.ReleaseIdleSlices(5099); }));
}

TEST_F(ThreadRegistryTest, WithoutThreadsThereIsNothingToLookAt) {
  ThreadRegistry none(ground_.metadata(), ground_.runs(), ground_.huge(),
                      arena_, TestSeed);
  none.ReleaseIdleSlices(5000);
  none.ReleaseSlices();
  EXPECT_EQ(none.PurgeOthers(nullptr, true), 0U);
  EXPECT_FALSE(none.PurgeOldOrphan(5000));
}

TEST_F(ThreadRegistryTest, StatsAreThoseOfTheOthers) {
  ThreadState* state = Acquire();
  TakeBlock(state);
  state->heap().Publish();
  ArenaStats stats = {};
  threads_.AddStats(state, &stats);
  EXPECT_EQ(stats.live_blocks, 0U);
  threads_.AddStats(own_, &stats);
  EXPECT_EQ(stats.live_blocks, 1U);
  EXPECT_GE(stats.live_bytes, 4000U);
  EXPECT_EQ(stats.region_bytes, kSliceSize);
  threads_.Release(state);
  stats = {};
  threads_.AddStats(nullptr, &stats);
  EXPECT_EQ(stats.live_blocks, 1U);
  stats = {};
  threads_.PeekStats(&stats);
  EXPECT_EQ(stats.live_blocks, 1U);
  size_t visited = 0;
  threads_.VisitHeaps([&visited](const SubHeap&) { ++visited; });
  EXPECT_EQ(visited, 2U);
  EXPECT_EQ(ThreadRegistry::IdOf(state->token()), 2U);
  EXPECT_EQ(ThreadRegistry::IdOf(0), 0U);
}

// Of whoever has ended and of whoever has the state now, as it left them.
TEST_F(ThreadRegistryTest, WhatAThreadLeavesIsKnownToAll) {
  ThreadState* state = Acquire();
  for (int i = 0; i < 100; ++i) TakeBlock(state);
  ArenaStats exact = {};
  state->heap().AddStats(&exact);
  threads_.Release(state);
  ASSERT_EQ(Acquire(), state);
  ArenaStats stats = {};
  threads_.AddStats(own_, &stats);
  EXPECT_EQ(stats.allocations, exact.allocations);
  EXPECT_EQ(stats.live_blocks, exact.live_blocks);
  EXPECT_EQ(stats.live_bytes, exact.live_bytes);
  EXPECT_EQ(stats.region_bytes, exact.region_bytes);
}

// Lists are in the thread's own memory, which goes with it.
TEST_F(ThreadRegistryTest, AThreadThatEndsLeavesNothingBehindInItsLists) {
  Object** lists = &lists_[used_ * kNumSizeClasses];
  ThreadState* state = Acquire();
  const auto listed = [](Object* const* of) {
    size_t count = 0;
    for (size_t i = 0; i < kNumSizeClasses; ++i) {
      for (const Object* at = of[i]; !Slab::IsEnd(at); at = at->next) ++count;
    }
    return count;
  };
  Status status;
  while (listed(lists) == 0) {
    state->Allocate(state->heap(), 64, kMinAlignment, &status);
  }
  const size_t before = listed(lists);
  threads_.Release(state);
  EXPECT_EQ(listed(lists), 0U);
  Object** others = &lists_[used_ * kNumSizeClasses];
  ASSERT_EQ(Acquire(), state);
  EXPECT_EQ(listed(others), before);
}

TEST_F(ThreadRegistryTest, WhatAThreadHasFreedOfOthersGoesHomeWhenItEnds) {
  ThreadState* state = Acquire();
  Status status;
  void* object = nullptr;
  while (object == nullptr ||
         ground_.runs().Find(object)->kind != RunKind::kSlab) {
    object = own_->Allocate(own_->heap(), 64, kMinAlignment, &status);
  }
  Slice* slab = ground_.runs().Find(object);
  for (const bool ends : {true, false}) {
    ASSERT_TRUE(Slab::CheckAndMark(slab, object));
    state->FreeRemote(slab, object);
    ASSERT_TRUE(state->HasToPost());
    EXPECT_TRUE(own_->heap().PeekPosted().empty());
    // Also when it gives back what it can.
    ends ? threads_.Release(state) : static_cast<void>(state->Purge());
    EXPECT_FALSE(state->HasToPost());
    EXPECT_FALSE(own_->heap().PeekPosted().empty());
    own_->heap().TakeInAll();
    if (ends) {
      ASSERT_EQ(Acquire(), state);
    }
    object = own_->Allocate(own_->heap(), 64, kMinAlignment, &status);
    slab = ground_.runs().Find(object);
    ASSERT_EQ(slab->kind, RunKind::kSlab);
  }
}

TEST_F(ThreadRegistryTest, OthersArePurgedOrAskedTo) {
  ThreadState* live = Acquire();
  ThreadState* orphan = Acquire();
  threads_.Release(orphan);
  for (ThreadState* state : {own_, live, orphan}) KeepSlice(state);
  threads_.PurgeOthers(own_, true);
  EXPECT_FALSE(own_->heap().is_asked());
  EXPECT_TRUE(live->heap().is_asked());
  EXPECT_FALSE(orphan->heap().is_asked());
  EXPECT_EQ(KeptSlices(), 1U);
  EXPECT_EQ(own_->slices()->bytes(), kSliceSize);
  EXPECT_TRUE(threads_.IsAsked(live));
}

TEST_F(ThreadRegistryTest, PurgeOthersTellsTheBytes) {
  ThreadState* state = Acquire();
  char* blocks[4];
  for (char*& block : blocks) {
    Status status;
    TakeBlock(state);
    block = static_cast<char*>(
        state->Allocate(state->heap(), 20000, kMinAlignment, &status));
    ASSERT_NE(block, nullptr);
  }
  TakeBlock(state);
  state->heap().FreeBlock(ground_.runs().Find(blocks[1]), blocks[1]);
  threads_.Release(state);
  const size_t purged = threads_.PurgeOthers(own_, true);
  EXPECT_GE(purged, 4 * kPageSize);
  EXPECT_LE(purged, ground_.runs().live_bytes());
  EXPECT_EQ(threads_.PurgeOthers(own_, true), 0U);
}

TEST_F(ThreadRegistryTest, PagesOfOrphansStayWhenOnlyRoomIsWanted) {
  ThreadState* state = Acquire();
  void* first = TakeBlock(state);
  Status status;
  void* block = state->Allocate(state->heap(), 20000, kMinAlignment, &status);
  ASSERT_NE(block, nullptr);
  state->heap().FreeBlock(ground_.runs().Find(block), block);
  KeepSlice(state);
  threads_.Release(state);
  EXPECT_EQ(threads_.PurgeOthers(own_, false), 0U);
  EXPECT_EQ(state->slices()->bytes(), 0U);
  EXPECT_GE(threads_.PurgeOthers(own_, true), 4 * kPageSize);
  state->heap().FreeBlock(ground_.runs().Find(first), first);
}

// But what is wholly free is room.
TEST_F(ThreadRegistryTest, OrphansGiveTheirSpareRegionsWhenRoomIsWanted) {
  ThreadState* state = Acquire();
  char* block = TakeBlock(state);
  state->heap().FreeBlock(ground_.runs().Find(block), block);
  threads_.Release(state);
  EXPECT_NE(state->heap().held_bytes(), 0U);
  EXPECT_EQ(threads_.PurgeOthers(own_, false), 0U);
  EXPECT_EQ(state->heap().held_bytes(), 0U);
}

TEST_F(ThreadRegistryTest, WithoutMemoryThereIsNoNewState) {
  pages_.FailFrom(0);
  while (ground_.metadata().Allocate(64) != nullptr) {
  }
  Object* lists[kNumSizeClasses] = {};
  EXPECT_EQ(threads_.Acquire(lists), nullptr);
  pages_.StopFailing();
  ThreadState* state = threads_.Acquire(lists);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->id(), 2U);
  threads_.Release(state);
}

TEST_F(ThreadRegistryTest, ABrokenOrphanIsNamed) {
  ThreadState* state = Acquire();
  Block* block = Block::FromPayload(TakeBlock(state));
  threads_.Release(state);
  threads_.Release(Acquire());
  BrokenInvariant broken;
  EXPECT_TRUE(threads_.CheckOrphans(&broken));
  const uint64_t word = block->Load();
  block->Store(~word);
  EXPECT_FALSE(threads_.CheckOrphans(&broken));
  EXPECT_STREQ(broken.what, "overwritten header");
  block->Store(word);
}

TEST_F(ThreadRegistryTest, OrphansSurviveAForkAndLostThreadsDoNot) {
  ThreadState* lost = Acquire();
  ThreadState* orphan = Acquire();
  threads_.Release(orphan);
  threads_.FreezeOthers(own_);
  EXPECT_TRUE(ThreadRegistry::IsOrphan(orphan->token()));
  EXPECT_FALSE(ThreadRegistry::IsOrphan(lost->token()));
  EXPECT_EQ(Acquire(), orphan);
  EXPECT_NE(Acquire(), lost);
  // Nobody counts on what it was in the midst of.
  ArenaStats stats = {};
  threads_.AddStats(own_, &stats);
  EXPECT_EQ(stats.live_blocks, 0U);
}

}  // namespace
}  // namespace myonly::internal
