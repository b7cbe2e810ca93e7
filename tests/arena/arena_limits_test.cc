// What an arena is charged when blocks change their size or their arena, and
// what it gives back down to a mark. Each step is checked against what is held.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/in_zeros.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr uintptr_t kToken = 0x1000010;

// With limits in pages, and to the byte.
class ArenaLimitsTest : public ::testing::TestWithParam<bool> {
 protected:
  ArenaLimitsTest() {
    parent_.set_token(kToken - 16);
    parent_.Open(Options(64 * kMiB));
    for (Arena* arena : {&arena_, &other_}) {
      arena->set_token(kToken + (arena == &other_ ? 16 : 0));
      arena->Open(Options(24 * kMiB), &parent_.quota());
    }
  }
  ~ArenaLimitsTest() override { ExpectSound(); }

  static ArenaOptions Options(size_t limit_bytes) {
    ArenaOptions options;
    options.limit_bytes = limit_bytes;
    options.exact_bytes = GetParam();
    return options;
  }
  void* Allocate(size_t size, size_t alignment = kMinAlignment) {
    status_ = Status::kOk;
    return arena_.AllocateAligned(size, alignment, &status_);
  }
  bool Resize(void** ptr, size_t size) {
    const bool resized = ground_.Resize(ptr, size, /*may_move=*/true);
    ExpectSound();
    return resized;
  }
  Status Move(void* ptr) {
    Slice* slice = ground_.runs().Find(ptr);
    Slice* run = slice == nullptr ? nullptr : ground_.runs().FindRun(slice);
    return arena_.MoveTo(
        other_, run, run == nullptr ? ground_.huge().Find(ptr) : nullptr, ptr);
  }
  // What is charged is what is held, everywhere.
  void ExpectSound() {
    EXPECT_TRUE(ground_.Check(arena_));
    EXPECT_TRUE(ground_.Check(other_));
    EXPECT_EQ(parent_.quota().charged_bytes(), Charged() + Charged(other_));
  }
  size_t Charged() { return Charged(arena_); }
  static size_t Charged(Arena& arena) { return arena.quota().charged_bytes(); }

  FakePageSource pages_;
  Ground ground_{pages_};
  Arena parent_{ground_.runs(), ground_.huge(), TestSeed, "parent"};
  Arena arena_{ground_.runs(), ground_.huge(), TestSeed, "test"};
  Arena other_{ground_.runs(), ground_.huge(), TestSeed, "other"};
  Status status_ = Status::kOk;
};

using ArenaLimitsDeathTest = ArenaLimitsTest;

std::string NameOf(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "Bytes" : "Pages";
}
INSTANTIATE_TEST_SUITE_P(Counting, ArenaLimitsTest, ::testing::Bool(), NameOf);
INSTANTIATE_TEST_SUITE_P(Counting, ArenaLimitsDeathTest, ::testing::Bool(),
                         NameOf);

// In secure with the page that faults behind it, but to the byte for its own.
TEST_P(ArenaLimitsTest, ALargeBlockIsChargedUntilItIsFreed) {
  constexpr size_t kGuard = kIsSecure ? kPageSize : 0;
  for (const size_t size : {size_t{100000}, kMiB - kPageSize, kMiB, kMiB + 1,
                            3 * kMiB, kMaxLargeRequest}) {
    const size_t pages = AlignUp(size, kPageSize);
    const size_t held = SlicesFor(pages + kGuard) * kSliceSize;
    void* ptr = Allocate(size);
    EXPECT_EQ(ground_.UsableSize(ptr), pages);
    EXPECT_EQ(Charged(), GetParam() ? pages : held) << size;
    EXPECT_EQ(arena_.Stats().live_bytes, pages);
    ground_.Free(ptr);
    EXPECT_EQ(Charged(), 0U) << size;
  }
}

// To the byte only as far as it is known before: what may grow moves.
TEST_P(ArenaLimitsTest, ASmallBlockIsResizedWithinWhatItHas) {
  for (const size_t size : {size_t{100}, size_t{3000}, size_t{40000}}) {
    void* ptr = Allocate(size);
    ASSERT_NE(ptr, nullptr);
    const size_t usable = ground_.UsableSize(ptr);
    const size_t charged = Charged();
    EXPECT_TRUE(Resize(&ptr, usable));
    EXPECT_EQ(Charged(), charged);
    if (GetParam()) {
      EXPECT_FALSE(Resize(&ptr, usable + 1));
      EXPECT_TRUE(Resize(&ptr, size / 4));
      EXPECT_LT(Charged(), charged);
      EXPECT_EQ(Charged(), ground_.UsableSize(ptr));
    }
    ground_.Free(ptr);
  }
}

TEST_P(ArenaLimitsTest, ALargeBlockIsChargedForWhatItHas) {
  if (kIsSecure) GTEST_SKIP() << "a page that faults is behind each";
  void* ptr = Allocate(kMiB);
  const auto expect = [this, ptr](size_t size) {
    const size_t pages = AlignUp(size, kPageSize);
    const size_t held = SlicesFor(pages) * kSliceSize;
    EXPECT_EQ(ground_.UsableSize(ptr), pages);
    EXPECT_EQ(Charged(), GetParam() ? pages : held);
    EXPECT_EQ(arena_.Stats().large_bytes, held);
    EXPECT_EQ(arena_.Stats().live_bytes, pages);
  };
  expect(kMiB);
  for (const size_t size : {kMiB + 1, 2 * kMiB, kMaxLargeRequest, 3 * kMiB - 1,
                            kMiB - kSliceSize, kMiB - kSliceSize - kPageSize,
                            size_t{100000}, kMaxBlockRequest / 2 + 1}) {
    void* same = ptr;
    ASSERT_TRUE(Resize(&same, size)) << size;
    EXPECT_EQ(same, ptr);
    expect(size);
  }
  // Small enough, or large enough, for another kind.
  EXPECT_TRUE(Resize(&ptr, AlignUp(kMaxBlockRequest / 2 + 1, kPageSize)));
  EXPECT_FALSE(Resize(&ptr, kMaxBlockRequest / 2));
  EXPECT_FALSE(Resize(&ptr, kMaxLargeRequest + 1));
  expect(kMaxBlockRequest / 2 + 1);
}

TEST_P(ArenaLimitsTest, NeitherKindGrowsOverTheLimit) {
  if (kIsSecure) GTEST_SKIP() << "a page that faults is behind each";
  void* huge = Allocate(20 * kMiB);
  void* large = Allocate(3 * kMiB);
  const size_t before = Charged();
  EXPECT_EQ(before, 23 * kMiB);
  EXPECT_FALSE(Resize(&huge, 22 * kMiB));
  EXPECT_EQ(Charged(), before);
  // Up to the last byte.
  EXPECT_TRUE(Resize(&large, kMaxLargeRequest));
  EXPECT_EQ(Charged(), 24 * kMiB);
  EXPECT_FALSE(Resize(&huge, 20 * kMiB + 1));
  EXPECT_TRUE(Resize(&large, 3 * kMiB));
  EXPECT_TRUE(Resize(&huge, 21 * kMiB));
  EXPECT_FALSE(Resize(&large, 3 * kMiB + 1));
  EXPECT_EQ(Charged(), 24 * kMiB);
}

TEST_P(ArenaLimitsTest, WhatTheSystemRefusesIsNotCharged) {
  if (kIsSecure) GTEST_SKIP() << "a page that faults is behind each";
  void* huge = Allocate(9 * kMiB);
  void* large = Allocate(kMiB);
  void* behind = Allocate(kMiB);
  ASSERT_NE(behind, nullptr);
  const size_t before = Charged();
  EXPECT_FALSE(Resize(&large, 2 * kMiB));
  EXPECT_EQ(Charged(), before);
  pages_.FailFrom(0);
  EXPECT_FALSE(Resize(&huge, 10 * kMiB));
  EXPECT_EQ(Charged(), before);
  // Nor is anything returned that stays.
  EXPECT_TRUE(Resize(&huge, 5 * kMiB));
  EXPECT_EQ(Charged(), before);
  EXPECT_EQ(Allocate(9 * kMiB), nullptr);
  EXPECT_EQ(status_, Status::kNoMemory);
  EXPECT_EQ(Charged(), before);
  pages_.StopFailing();
}

TEST_P(ArenaLimitsTest, AHugeBlockThatGetsSmallMoves) {
  void* ptr = Allocate(9 * kMiB);
  EXPECT_TRUE(Resize(&ptr, kMaxLargeRequest / 2 + 1));
  EXPECT_EQ(ground_.UsableSize(ptr), kMaxLargeRequest / 2 + kPageSize);
  EXPECT_EQ(Charged(), kMaxLargeRequest / 2 + kPageSize);
  EXPECT_EQ(arena_.Stats().huge_bytes, Charged());
  EXPECT_FALSE(Resize(&ptr, kMaxLargeRequest / 2));
  EXPECT_EQ(arena_.Stats().huge_blocks, 1U);
}

TEST_P(ArenaLimitsTest, SmallBlocksAreChargedForWhatTheyHave) {
  void* first = Allocate(5000);
  void* second = Allocate(100);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(Charged(),
            GetParam() ? ground_.UsableSize(first) + ground_.UsableSize(second)
                       : kSliceSize);
  void* same = first;
  EXPECT_TRUE(Resize(&same, 1000));
  EXPECT_EQ(Charged(),
            GetParam() ? ground_.UsableSize(first) + ground_.UsableSize(second)
                       : kSliceSize);
  // To the byte it grows by moving: what it would be is known afterwards only.
  EXPECT_EQ(Resize(&same, 3000), !GetParam());
  ground_.Free(first);
  ground_.Free(second);
  EXPECT_EQ(arena_.Stats().live_bytes, 0U);
  EXPECT_EQ(arena_.Stats().frees, 2U);
  if (GetParam()) {
    EXPECT_EQ(Charged(), 0U);
  }
}

// --- Between arenas ---

TEST_P(ArenaLimitsTest, ABlockTakesItsChargeAlong) {
  void* large = Allocate(kMiB + 1);
  void* huge = Allocate(9 * kMiB);
  const size_t before = Charged();
  const ArenaStats was = arena_.Stats();
  for (void* ptr : {large, huge}) {
    EXPECT_EQ(Move(ptr), Status::kOk);
    EXPECT_EQ(ground_.OwnerOf(ptr), &other_);
    ExpectSound();
    EXPECT_EQ(Charged() + Charged(other_), before);
    EXPECT_EQ(Move(ptr), Status::kInvalid);  // it is gone
  }
  EXPECT_EQ(Charged(), 0U);
  const ArenaStats from = arena_.Stats();
  const ArenaStats to = other_.Stats();
  EXPECT_EQ(from.live_blocks, 0U);
  EXPECT_EQ(from.live_bytes, 0U);
  EXPECT_EQ(from.frees, 2U);
  EXPECT_EQ(from.peak_live_bytes, was.live_bytes);
  EXPECT_EQ(to.allocations, 2U);
  EXPECT_EQ(to.live_blocks, 2U);
  EXPECT_EQ(to.live_bytes, was.live_bytes);
  EXPECT_EQ(to.peak_live_bytes, was.live_bytes);
  EXPECT_EQ(to.large_bytes, was.large_bytes);
  EXPECT_EQ(to.huge_bytes, was.huge_bytes);
  EXPECT_EQ(to.huge_blocks, 1U);
  // By any address in it.
  const Slice* slice = ground_.runs().Find(static_cast<char*>(large) + kMiB);
  EXPECT_EQ(slice->owner, &other_);
  ground_.Free(large);
  ground_.Free(huge);
  EXPECT_EQ(Charged(other_), 0U);
}

TEST_P(ArenaLimitsTest, WhatCannotMoveStaysAsItWas) {
  void* large = Allocate(kMiB);
  void* huge = Allocate(9 * kMiB);
  Slice* run = ground_.runs().FindRun(ground_.runs().Find(large));
  HugeMapping* mapping = ground_.huge().Find(huge);
  const size_t before = Charged();
  // No address inside of it, and to itself without ado.
  EXPECT_EQ(arena_.MoveTo(other_, run, nullptr, static_cast<char*>(large) + 16),
            Status::kInvalid);
  EXPECT_EQ(
      arena_.MoveTo(other_, nullptr, mapping, static_cast<char*>(huge) + 16),
      Status::kInvalid);
  EXPECT_EQ(arena_.MoveTo(arena_, run, nullptr, large), Status::kOk);
  EXPECT_EQ(arena_.MoveTo(arena_, nullptr, mapping, huge), Status::kOk);
  EXPECT_EQ(other_.MoveTo(arena_, run, nullptr, large), Status::kInvalid);
  EXPECT_EQ(other_.MoveTo(arena_, nullptr, mapping, huge), Status::kInvalid);
  // The other one has no room.
  Status status = Status::kOk;
  ASSERT_NE(other_.Allocate(23 * kMiB + kPageSize, &status), nullptr);
  EXPECT_EQ(Move(large), Status::kQuota);
  EXPECT_EQ(Move(huge), Status::kQuota);
  EXPECT_EQ(Charged(), before);
  EXPECT_EQ(ground_.OwnerOf(large), &arena_);
  EXPECT_EQ(ground_.OwnerOf(huge), &arena_);
  EXPECT_EQ(arena_.Stats().live_blocks, 2U);
}

// --- Back to a mark ---

TEST_P(ArenaLimitsTest, WhatIsFreeGoesDownToAMark) {
  std::vector<void*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(Allocate(30000));
  Allocate(100);
  for (void* block : blocks) ground_.Free(block);
  const size_t free_bytes = arena_.Stats().free_block_bytes;
  ASSERT_GT(free_bytes, 8 * kPageSize);
  EXPECT_EQ(arena_.PurgeTo(kToken, free_bytes, Arena::LookAtAll), 0U);
  EXPECT_EQ(arena_.PurgeTo(kToken + 1, 0, Arena::LookAtAll), 0U);
  EXPECT_EQ(arena_.Stats().free_block_bytes, free_bytes);
  const size_t held = arena_.Stats().region_bytes;
  size_t purged = arena_.PurgeTo(kToken, 0, Arena::LookAtAll);
  purged += held - arena_.Stats().region_bytes;
  EXPECT_GE(purged, free_bytes * 3 / 4);
  EXPECT_LE(purged, free_bytes + kSliceSize);
  ExpectSound();
}

// Inside blocks that are left between others, and no more with each call.
TEST_P(ArenaLimitsTest, AboutTheMarkIsLeft) {
  std::vector<void*> blocks;
  for (int i = 0; i < 400; ++i) blocks.push_back(Allocate(10000));
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 8 != 0) ground_.Free(blocks[i]);
  }
  const size_t free_bytes = arena_.Stats().free_block_bytes;
  ASSERT_GT(free_bytes, 3000000U);
  size_t purged = 0;
  for (int round = 0; round < 3; ++round) {
    purged += arena_.PurgeTo(kToken, free_bytes / 2, Arena::LookAtAll);
    EXPECT_GE(purged, free_bytes / 4);
    EXPECT_LE(purged, free_bytes / 2);
  }
  purged += arena_.PurgeTo(kToken, 0, Arena::LookAtAll);
  EXPECT_GE(purged, free_bytes * 3 / 4);
  ExpectSound();
}

// Also what threads' shares have, one after the other, as far as it must.
TEST(SharesLimitsTest, WhatIsFreeGoesDownToAMark) {
  FakePageSource pages;
  Ground ground(pages);
  Arena arena(ground.runs(), ground.huge(), TestSeed, "test");
  arena.set_token(kToken);
  arena.Open(ArenaOptions());
  SliceCache cache;
  std::deque<InZeros<SubHeap>> shares;
  for (uintptr_t i = 1; i <= 3; ++i) {
    shares.emplace_back(arena, ground.runs(), ground.huge(), TestSeed,
                        i * 0x10000, &cache);
    ASSERT_TRUE(arena.OpenShare(&*shares.back()));
  }
  const auto held = [&shares](size_t i) { return shares[i]->held_bytes(); };
  const auto all = [&arena] { return arena.Stats().region_bytes; };
  const auto use = [&ground, &shares, &held] {
    for (InZeros<SubHeap>& share : shares) {
      std::vector<void*> blocks;
      for (int i = 0; i < 100; ++i) {
        Status status;
        blocks.push_back(share->Allocate(20000, kMinAlignment, &status));
        ASSERT_NE(blocks.back(), nullptr);
      }
      for (void* block : blocks) ground.Free(block);
    }
    for (size_t i = 0; i < 3; ++i) ASSERT_NE(held(i), 0U);
  };
  use();
  size_t before = all();
  EXPECT_NE(before, 0U);
  EXPECT_EQ(arena.PurgeTo(kToken, 0, Arena::LookAtAll), 0U);
  EXPECT_EQ(all(), 0U);
  // The youngest one keeps what it has, the next one a part.
  use();
  before = held(2);
  arena.PurgeTo(kToken, held(2) + held(1) / 4, Arena::LookAtAll);
  EXPECT_EQ(held(0), 0U);
  EXPECT_GE(held(2), before / 2);
  // Whoever is not to be looked at is asked.
  use();
  before = held(2);
  arena.PurgeTo(kToken, 0, [](uintptr_t token) { return token != 0x30000; });
  EXPECT_EQ(held(2), before);
  EXPECT_EQ(held(0) + held(1), 0U);
  EXPECT_TRUE(shares[2]->is_asked());
  EXPECT_FALSE(shares[1]->is_asked());
  EXPECT_TRUE(ground.Check(arena));
  arena.Close(/*require_empty=*/true);
}

TEST_P(ArenaLimitsTest, ReleasingTellsWhetherSomethingWentBack) {
  EXPECT_FALSE(arena_.ReleaseSpare(Arena::LookAtAll));
  void* block = Allocate(1000);
  EXPECT_FALSE(arena_.ReleaseSpare(Arena::LookAtAll));
  ground_.Free(block);
  EXPECT_EQ(arena_.Stats().region_bytes, kSliceSize);
  EXPECT_TRUE(arena_.ReleaseSpare(Arena::LookAtAll));
  EXPECT_EQ(arena_.Stats().region_bytes, 0U);
  EXPECT_FALSE(arena_.ReleaseSpare(Arena::LookAtAll));
}

TEST_P(ArenaLimitsTest, AClosedArenaServesNoKind) {
  EXPECT_TRUE(other_.Close(/*require_empty=*/true));
  for (const size_t size : {size_t{100}, kMiB, 9 * kMiB}) {
    Status status = Status::kOk;
    EXPECT_EQ(other_.Allocate(size, &status), nullptr);
    EXPECT_EQ(status, Status::kStale);
  }
  EXPECT_FALSE(other_.ResetIf(kToken + 16, nullptr));
  EXPECT_FALSE(arena_.ResetIf(kToken + 16, nullptr));
  EXPECT_TRUE(arena_.ResetIf(kToken, nullptr));
  EXPECT_EQ(arena_.resets(), 1U);
}

// With MYONLY_ON_MISUSE=report.
TEST_P(ArenaLimitsDeathTest, ASecondFreeIsToldAndTheArenaGoesOn) {
  for (size_t size : {size_t{100}, size_t{60000}}) {
    Allocate(300);
    void* ptr = Allocate(size);
    ground_.Free(ptr);
    const size_t charged = Charged();
    EXPECT_EXIT(
        {
          GoOnAfterMisuse();
          ground_.Free(ptr);
          ExpectSound();
          _exit(Charged() == charged && !HasFailure() ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "myonlymalloc: double free at 0x");
  }
}

}  // namespace
}  // namespace myonly::internal
