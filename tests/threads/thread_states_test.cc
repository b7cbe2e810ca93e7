// The states of threads and their registry, without threads: who gets which
// state, when an arena is worth a share, and what is asked of shares.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/block_heap.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/threads/this_thread.h"
#include "allocator/threads/thread_registry.h"
#include "allocator/threads/thread_state.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/support/resident.h"

namespace myonly::internal {
namespace {

using myonly::testing::ResidentBytes;

constexpr int kFew = 256;  // requests without a share

class ThreadStatesTest : public ::testing::Test {
 protected:
  ThreadStatesTest() {
    arena_.Open(ArenaOptions());
    other_.set_token(Handle(kSlot, 1));
    other_.Open(ArenaOptions());
    for (auto& lists : lists_) {
      for (Object*& list : lists) list = nullptr;
    }
    state_ = threads_.Acquire(lists_[0]);
    EXPECT_NE(state_, nullptr);
  }

  // As ArenaRegistry makes them.
  static uintptr_t Handle(size_t slot, uintptr_t generation) {
    return generation << 24 | slot << 4;
  }

  static constexpr size_t kSlot = 5;
  FakePageSource pages_;
  Ground ground_{pages_};
  Arena arena_{ground_.runs(), ground_.huge(), TestSeed, "process"};
  Arena other_{ground_.runs(), ground_.huge(), TestSeed, "test"};
  ThreadRegistry threads_{ground_.metadata(), ground_.runs(), ground_.huge(),
                          arena_, TestSeed};
  Object* lists_[3][kNumSizeClasses];
  ThreadState* state_ = nullptr;
};

// Threads that make a few requests, which the arena serves for them, leave a
// page of their state untouched.
TEST_F(ThreadStatesTest, AStateWithFewRequestsIsNotAllResident) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "shadow memory is resident as well";
#endif
  if (kIsSecure) GTEST_SKIP() << "there each size has a slab at once";
  constexpr size_t kStates = 400;
  std::vector<std::array<Object*, kNumSizeClasses>> lists(kStates);
  const size_t before = ResidentBytes();
  size_t bytes = 0;
  for (auto& of_state : lists) {
    ThreadState* state = threads_.Acquire(of_state.data());
    ASSERT_NE(state, nullptr);
    for (size_t size = 48; size <= 336; size += 48) {
      Status status;
      void* block =
          state->Allocate(state->heap(), size, kMinAlignment, &status);
      ASSERT_NE(block, nullptr);
      memset(block, 1, size);
      bytes += size + kMinAlignment;
    }
  }
  const size_t states = ResidentBytes() - before - bytes;
  EXPECT_LT(states / kStates, sizeof(ThreadState) - kPageSize / 2);
}

TEST_F(ThreadStatesTest, AfterSoManyRequestsAnArenaIsWorthAShare) {
  for (int i = 0; i < kFew; ++i) {
    ASSERT_FALSE(state_->NoteRequest(Handle(kSlot, 1), 0)) << i;
  }
  EXPECT_TRUE(state_->NoteRequest(Handle(kSlot, 1), 0));
}

// What is reset or made anew all the time never is.
TEST_F(ThreadStatesTest, ANewLifeOfAnArenaIsCountedAnew) {
  for (uint32_t life = 1; life < 10 * kFew; ++life) {
    ASSERT_FALSE(state_->NoteRequest(Handle(kSlot, life), 0)) << life;
  }
  for (uint32_t resets = 1; resets < 10 * kFew; ++resets) {
    ASSERT_FALSE(state_->NoteRequest(Handle(kSlot, 1), resets)) << resets;
  }
}

TEST_F(ThreadStatesTest, OfArenasThatTakeTurnsSomeGetAShare) {
  int requests = 0;
  for (int round = 0; round < 3; ++round) {
    // The first one of all displaces nobody.
    const int few = round == 0 ? kFew + 1 : kFew;
    for (int i = 0; i < few; ++i) {
      const size_t slot = kSlot + 16 * (requests++ % 2);
      ASSERT_FALSE(state_->NoteRequest(Handle(slot, 1), 0))
          << round << " " << i;
    }
    const size_t slot = kSlot + 16 * (requests++ % 2);
    EXPECT_TRUE(state_->NoteRequest(Handle(slot, 1), 0)) << round;
  }
}

// Sixteen arenas are told apart.
TEST_F(ThreadStatesTest, ArenasThatAreToldApartDoNotTakeTurns) {
  for (int i = 0; i < kFew; ++i) {
    for (size_t slot = 1; slot <= 16; ++slot) {
      ASSERT_FALSE(state_->NoteRequest(Handle(slot, 1), 0)) << slot;
    }
  }
  for (size_t slot = 1; slot <= 16; ++slot) {
    EXPECT_TRUE(state_->NoteRequest(Handle(slot, 1), 0)) << slot;
  }
}

TEST_F(ThreadStatesTest, TheYoungestOrphanIsTakenFirst) {
  ThreadState* second = threads_.Acquire(lists_[1]);
  ThreadState* third = threads_.Acquire(lists_[2]);
  EXPECT_EQ(state_->id(), 1U);
  EXPECT_EQ(second->id(), 2U);
  EXPECT_EQ(third->id(), 3U);
  threads_.Release(second);
  threads_.Release(third);
  EXPECT_TRUE(ThreadRegistry::IsOrphan(third->token()));
  EXPECT_EQ(threads_.Acquire(lists_[1]), third);
  EXPECT_FALSE(ThreadRegistry::IsOrphan(third->token()));
  EXPECT_TRUE(ThreadRegistry::IsOrphan(second->token()));
  EXPECT_EQ(threads_.Acquire(lists_[2]), second);
}

TEST_F(ThreadStatesTest, AShareIsMadeOnceAndOpenedAgain) {
  EXPECT_EQ(state_->ShareIn(kSlot), nullptr);
  SubHeap* share = threads_.OpenShare(state_, kSlot, other_);
  ASSERT_NE(share, nullptr);
  EXPECT_EQ(state_->ShareIn(kSlot), share);
  EXPECT_EQ(state_->ShareIn(kSlot + 1), nullptr);
  EXPECT_TRUE(other_.Close(/*require_empty=*/false));
  EXPECT_EQ(threads_.OpenShare(state_, kSlot, other_), nullptr);
  other_.set_token(Handle(kSlot, 2));
  other_.Open(ArenaOptions());
  EXPECT_EQ(threads_.OpenShare(state_, kSlot, other_), share);
}

// Whichever of the pieces of metadata that it needs is the one that there is
// not.
TEST_F(ThreadStatesTest, WithoutMemoryThereIsNoShare) {
  const auto leave = [this](size_t bytes) {
    pages_.FailFrom(0);
    while (ground_.metadata().Allocate(64) != nullptr) {
    }
    pages_.StopFailing();
    for (size_t left = MetadataAllocator::kChunkBytes; left > bytes;) {
      ASSERT_NE(ground_.metadata().Allocate(64), nullptr);
      left -= 64;
    }
    pages_.FailFrom(0);
    pages_.TakeFailed();
  };
  // Enough for the table of its shares, for a page of that, and for a share.
  const size_t table = size_t{16} << 10;
  SubHeap* share = nullptr;
  size_t refused = 0;
  for (size_t left = 0; share == nullptr && left <= 3 * table; left += 512) {
    leave(left % (table + 512));
    share = threads_.OpenShare(state_, kSlot, other_);
    EXPECT_EQ(share == nullptr, pages_.TakeFailed());
    EXPECT_EQ(state_->ShareIn(kSlot), share);
    ++refused;
  }
  pages_.StopFailing();
  EXPECT_NE(share, nullptr);
  EXPECT_GT(refused, table / 512 + kPageSize / 512);
}

TEST_F(ThreadStatesTest, SharesOfLostThreadsAreFrozen) {
  ThreadState* lost = threads_.Acquire(lists_[1]);
  SubHeap* own = threads_.OpenShare(state_, kSlot, other_);
  SubHeap* others = threads_.OpenShare(lost, kSlot, other_);
  threads_.FreezeOthers(state_);
  EXPECT_FALSE(own->is_frozen());
  EXPECT_TRUE(others->is_frozen());
}

TEST_F(ThreadStatesTest, OnlyOpenSharesGiveBackWhatTheyAreAskedFor) {
  SubHeap* share = threads_.OpenShare(state_, kSlot, other_);
  share->AskForSpare();
  state_->ReleaseAsked();
  EXPECT_FALSE(share->is_asked());
  EXPECT_TRUE(other_.Close(/*require_empty=*/false));
  share->AskForSpare();
  state_->ReleaseAsked();
  EXPECT_TRUE(share->is_asked());
}

TEST_F(ThreadStatesTest, EachThreadIsAskedOnce) {
  ThreadState* second = threads_.Acquire(lists_[1]);
  EXPECT_FALSE(threads_.IsAsked(state_));
  threads_.NoteAsk();
  EXPECT_TRUE(threads_.IsAsked(state_));
  EXPECT_FALSE(threads_.IsAsked(state_));
  EXPECT_TRUE(threads_.IsAsked(second));
  threads_.NoteAsk();
  EXPECT_TRUE(threads_.IsAsked(state_));
}

// Each in its place, to the last one.
TEST_F(ThreadStatesTest, SharesAreFoundByTheSlotOfTheirArena) {
  constexpr size_t kPerPage = kPageSize / sizeof(void*);
  const size_t slots[] = {1, kPerPage - 1, kPerPage, kPerPage + 1,
                          (size_t{1} << 20) - 1};
  for (const size_t slot : slots) {
    SubHeap** place = state_->PlaceFor(slot, ground_.metadata());
    ASSERT_NE(place, nullptr);
    EXPECT_EQ(*place, nullptr) << slot;
    // Nobody looks into it here.
    *place = reinterpret_cast<SubHeap*>(slot * 64);
    EXPECT_EQ(state_->PlaceFor(slot, ground_.metadata()), place);
  }
  for (const size_t slot : slots) {
    EXPECT_EQ(state_->ShareIn(slot), reinterpret_cast<SubHeap*>(slot * 64));
    EXPECT_EQ(state_->ShareIn(slot - 1) == nullptr,
              slot != kPerPage && slot != kPerPage + 1);
  }
}

TEST_F(ThreadStatesTest, AThreadHasAtHandWhatItsStateHas) {
  ThisThread thread = {};
  EXPECT_FALSE(thread.HasStarted());
  thread.Set(state_);
  EXPECT_TRUE(thread.HasStarted());
  EXPECT_EQ(thread.state, state_);
  EXPECT_EQ(thread.token, state_->token());
  EXPECT_EQ(thread.heap, reinterpret_cast<uintptr_t>(&state_->heap()));
  EXPECT_EQ(thread.list_bytes_end, kMaxSlabRequest + 1);
  EXPECT_EQ(thread.quick_bytes_end, BlockHeap::kMaxQuickRequest + 1);
  thread.Set(nullptr);
  EXPECT_TRUE(thread.HasStarted());
  EXPECT_EQ(thread.state, nullptr);
  EXPECT_EQ(thread.token, kNoToken);
  EXPECT_EQ(thread.heap, kNoToken);
  EXPECT_EQ(thread.list_bytes_end, 0U);
  EXPECT_EQ(thread.quick_bytes_end, 0U);
  // None is found where an arena's own would be.
  for (size_t slot = 0; slot < ThisThread::kRecentShares; ++slot) {
    const uintptr_t handle = thread.recent_shares[slot]->handle;
    EXPECT_NE((handle >> 4) % ThisThread::kRecentShares, slot);
  }
}

}  // namespace
}  // namespace myonly::internal
