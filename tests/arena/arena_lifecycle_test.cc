// The arena as a whole, and several arenas and threads side by side.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/blocks/block.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
using Verb = FakePageSource::Verb;

class ArenaLifecycleTest : public ::testing::Test {
 protected:
  ArenaLifecycleTest()
      : ground_(pages_),
        arena_(ground_.runs(), ground_.huge(), TestSeed, "test") {
    arena_.Open(ArenaOptions());
  }

  FakePageSource& pages() { return pages_; }
  Ground& ground() { return ground_; }
  Arena& arena() { return arena_; }

  void* Allocate(size_t size) { return AllocateFrom(arena_, size); }
  static void* AllocateFrom(Arena& arena, size_t size) {
    Status status = Status::kOk;
    void* ptr = arena.Allocate(size, &status);
    EXPECT_NE(ptr, nullptr) << size;
    return ptr;
  }
  Status StatusOf(size_t size) {
    Status status = Status::kOk;
    return arena_.Allocate(size, &status) != nullptr ? Status::kOk : status;
  }
  // Some of each kind.
  std::vector<void*> AllocateSome() {
    std::vector<void*> blocks;
    for (size_t size : {size_t{1}, size_t{100}, size_t{5000}, size_t{60000},
                        size_t{70000}, kMiB, 9 * kMiB, 10 * kMiB}) {
      blocks.push_back(Allocate(size));
    }
    return blocks;
  }
  void PurgeAll() {
    arena_.Purge();
    ground_.runs().Purge(0);
    ground_.huge().Purge(0);
  }
  void ExpectNothingHeld() {
    const ArenaStats stats = arena_.Stats();
    EXPECT_EQ(stats.live_blocks, 0U);
    EXPECT_EQ(stats.live_bytes, 0U);
    EXPECT_EQ(stats.reserved_bytes(), 0U);
    EXPECT_EQ(ground_.runs().live_bytes(), 0U);
    EXPECT_EQ(ground_.huge().live_bytes(), 0U);
    EXPECT_TRUE(ground_.Check(arena_));
  }

 private:
  FakePageSource pages_;
  Ground ground_;
  Arena arena_;
};
using ArenaLifecycleDeathTest = ArenaLifecycleTest;

// --- Reset and close. ---

TEST_F(ArenaLifecycleTest, ResetDropsEveryBlock) {
  for (uint64_t round = 1; round <= 5; ++round) {
    const size_t blocks = AllocateSome().size();
    arena().Reset();
    ExpectNothingHeld();
    const ArenaStats stats = arena().Stats();
    EXPECT_EQ(stats.resets, round);
    EXPECT_EQ(stats.allocations, blocks * round);
    EXPECT_EQ(stats.frees, blocks * round);
  }
}

TEST_F(ArenaLifecycleTest, AnotherArenaInItsPlaceIsNotReset) {
  arena().set_token(16);
  arena().Open(ArenaOptions());
  AllocateSome();
  EXPECT_TRUE(arena().ResetIf(16, nullptr));
  EXPECT_TRUE(arena().Close(/*require_empty=*/true));
  EXPECT_FALSE(arena().ResetIf(16, nullptr));
  arena().set_token(32);
  arena().Open(ArenaOptions());
  AllocateSome();
  EXPECT_FALSE(arena().ResetIf(16, nullptr));
  EXPECT_EQ(arena().Stats().live_blocks, 8U);
  EXPECT_EQ(arena().Stats().resets, 0U);
}

TEST_F(ArenaLifecycleTest, CloseDropsEveryBlock) {
  AllocateSome();
  EXPECT_FALSE(arena().Close(/*require_empty=*/true));
  EXPECT_EQ(arena().Stats().live_blocks, 8U);
  EXPECT_TRUE(arena().Close(/*require_empty=*/false));
  ExpectNothingHeld();
}

TEST_F(ArenaLifecycleTest, AnEmptyArenaCloses) {
  for (void* ptr : AllocateSome()) ground().Free(ptr);
  EXPECT_TRUE(arena().Close(/*require_empty=*/true));
  ExpectNothingHeld();
}

TEST_F(ArenaLifecycleTest, AClosedArenaGivesNothing) {
  arena().set_token(16);
  arena().Open(ArenaOptions());
  EXPECT_TRUE(arena().Close(/*require_empty=*/true));
  for (size_t size : {size_t{100}, size_t{60000}, kMiB, 10 * kMiB}) {
    EXPECT_EQ(StatusOf(size), Status::kStale) << size;
  }
  ExpectNothingHeld();
}

TEST_F(ArenaLifecycleTest, OpenMakesANewArena) {
  AllocateSome();
  arena().Close(/*require_empty=*/false);
  ArenaOptions options;
  options.name = "a name that is longer than thirty-one bytes";
  options.limit_bytes = 12 * kMiB;
  arena().Open(options);
  const ArenaStats stats = arena().Stats();
  EXPECT_STREQ(stats.name, std::string(options.name, kMaxArenaName).c_str());
  EXPECT_EQ(stats.limit_bytes, 12 * kMiB);
  EXPECT_EQ(stats.allocations + stats.frees + stats.peak_live_bytes, 0U);
}

// The pages of one life serve the next one.
TEST_F(ArenaLifecycleTest, LivesDoNotAddUp) {
  // In secure the addresses of 64 freed mappings wait, and fault.
  const int first = kIsSecure ? 64 : 0;
  size_t held = 0;
  for (int round = 0; round < first + 20; ++round) {
    AllocateSome();
    arena().Close(/*require_empty=*/false);
    PurgeAll();
    EXPECT_EQ(ground().huge().cached_bytes(), 0U);
    EXPECT_EQ(ground().runs().dirty_bytes(), 0U);
    if (round <= first) held = pages().reserved_bytes();
    EXPECT_EQ(pages().reserved_bytes(), held) << round;
  }
}

TEST_F(ArenaLifecycleTest, EveryMappingIsReleased) {
  AllocateSome();
  const size_t before = pages().reserved_bytes();
  arena().Close(/*require_empty=*/false);
  PurgeAll();
  if (!kIsSecure) {
    EXPECT_EQ(before - pages().reserved_bytes(), 19 * kMiB);
  } else {  // made to fault, with the page behind each
    EXPECT_EQ(before, pages().reserved_bytes());
    size_t faulting = 0;
    for (const FakePageSource::Call& call : pages().journal()) {
      const bool is_mapping = call.verb == Verb::kDecommit && call.ok &&
                              call.bytes > kMaxLargeRequest;
      faulting += is_mapping ? call.bytes : 0;
    }
    EXPECT_EQ(faulting, 19 * kMiB + 2 * kPageSize);
  }
}

// What was dropped is no block any more, though the bytes are still there.
TEST_F(ArenaLifecycleDeathTest, ADroppedBlockCannotBeFreed) {
  void* first = Allocate(100);
  void* second = Allocate(100);
  arena().Reset();
  // The arena has the same pages again, with the old header inside a block.
  ASSERT_EQ(Allocate(40), first);
  EXPECT_DEATH(ground().Free(second), "myonlymalloc: double free at 0x");
}

// --- Statistics. ---

TEST_F(ArenaLifecycleTest, StatisticsAreExact) {
  std::mt19937 random(7);
  std::vector<void*> blocks;
  uint64_t frees = 0;
  for (uint64_t i = 1; i <= 2000; ++i) {
    const size_t limit = i % 50 == 0 ? 10 * kMiB : i % 7 == 0 ? 200000 : 2000;
    blocks.push_back(Allocate(random() % limit));
    if (random() % 2 == 0) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      ground().Free(blocks.back());
      blocks.pop_back();
      ++frees;
    }
    if (i % 20 != 0) continue;
    uint64_t bytes = 0;
    for (void* ptr : blocks) bytes += ground().UsableSize(ptr);
    const ArenaStats stats = arena().Stats();
    ASSERT_EQ(stats.allocations, i);
    ASSERT_EQ(stats.frees, frees);
    ASSERT_EQ(stats.live_blocks, blocks.size());
    ASSERT_EQ(stats.live_bytes, bytes);
    ASSERT_GE(stats.peak_live_bytes, bytes);
    ASSERT_EQ(stats.region_bytes + stats.large_bytes,
              ground().runs().live_bytes());
    ASSERT_EQ(stats.huge_bytes, ground().huge().live_bytes());
    ASSERT_TRUE(ground().Check(arena()));
  }
}

TEST_F(ArenaLifecycleTest, PeakStaysWhenBlocksGo) {
  void* huge = Allocate(20 * kMiB);
  Allocate(kMiB);
  const uint64_t peak = arena().Stats().peak_live_bytes;
  EXPECT_EQ(peak, 21 * kMiB);
  ground().Free(huge);
  Allocate(2 * kMiB);
  EXPECT_EQ(arena().Stats().peak_live_bytes, peak);
  Allocate(30 * kMiB);
  EXPECT_EQ(arena().Stats().peak_live_bytes, 33 * kMiB);
}

TEST_F(ArenaLifecycleTest, TheyTellTheLimitsAndTheChildren) {
  Quota::Extras extras = {};
  arena().quota().set_extras(&extras);
  ArenaOptions options;
  options.limit_bytes = 20 * kMiB;
  options.soft_limit_bytes = 15 * kMiB;
  options.on_pressure = [](void*, myonly_arena*, int32_t) {};
  arena().Open(options);
  Arena child(ground().runs(), ground().huge(), TestSeed, "child");
  child.Open(ArenaOptions(), &arena().quota());
  AllocateFrom(child, 10 * kMiB);
  EXPECT_EQ(StatusOf(11 * kMiB), Status::kQuota);
  arena().quota().NoteRefusal();
  ArenaStats stats = arena().Stats();
  EXPECT_EQ(stats.limit_bytes, 20 * kMiB);
  EXPECT_EQ(stats.soft_limit_bytes, 15 * kMiB);
  EXPECT_EQ(stats.charged_bytes, 10 * kMiB);
  EXPECT_EQ(stats.children, 1U);
  EXPECT_EQ(stats.refusals, 1U);
  child.Close(/*require_empty=*/false);
  stats = arena().Stats();
  EXPECT_EQ(stats.charged_bytes, 0U);
  EXPECT_EQ(stats.children, 0U);
  EXPECT_TRUE(arena().Close(/*require_empty=*/true));
}

// --- Limits. ---

TEST_F(ArenaLifecycleTest, TheLimitIsKeptForEveryKind) {
  for (size_t size :
       {size_t{100}, size_t{50000}, size_t{70000}, kMiB, 9 * kMiB}) {
    arena().quota().set_limit_bytes(20 * kMiB);
    Status status = Status::kOk;
    size_t blocks = 0;
    for (; arena().Allocate(size, &status) != nullptr; ++blocks) {
      ASSERT_LE(arena().Stats().reserved_bytes(), 20 * kMiB);
      ASSERT_LT(blocks * size, 20 * kMiB);
    }
    EXPECT_EQ(status, Status::kQuota) << size;
    // Most of it could be used.
    EXPECT_GE(blocks * size, 14 * kMiB) << size;
    EXPECT_TRUE(ground().Check(arena()));
    arena().Reset();
    EXPECT_EQ(StatusOf(size), Status::kOk);
    arena().Reset();
  }
}

TEST_F(ArenaLifecycleTest, TheLimitHoldsForResizing) {
  // In secure the large one has a page more behind it.
  const size_t limit = 12 * kMiB + (kIsSecure ? kSliceSize : 0);
  arena().quota().set_limit_bytes(limit);
  void* large = Allocate(kMiB);
  void* huge = Allocate(10 * kMiB);
  Fill(huge, 10 * kMiB, 1);
  EXPECT_FALSE(ground().Resize(&large, 3 * kMiB, true));
  void* same = huge;
  EXPECT_FALSE(ground().Resize(&same, 12 * kMiB, true));
  EXPECT_EQ(same, huge);
  EXPECT_TRUE(IsFilled(huge, 10 * kMiB, 1));
  EXPECT_LE(arena().Stats().reserved_bytes(), limit);
  EXPECT_TRUE(ground().Resize(&huge, 11 * kMiB, true));
  EXPECT_TRUE(ground().Check(arena()));
}

TEST_F(ArenaLifecycleTest, TheLimitCanBeMovedAlsoBelowWhatIsHeld) {
  void* ptr = Allocate(10 * kMiB);
  arena().quota().set_limit_bytes(10 * kMiB - 1);
  EXPECT_EQ(StatusOf(1), Status::kQuota);
  EXPECT_TRUE(ground().Check(arena()));
  arena().quota().set_limit_bytes(10 * kMiB);
  EXPECT_EQ(StatusOf(10 * kMiB), Status::kQuota);
  ground().Free(ptr);
  EXPECT_EQ(StatusOf(10 * kMiB), Status::kOk);
  EXPECT_EQ(StatusOf(10 * kMiB), Status::kQuota);
  arena().quota().set_limit_bytes(0);
  EXPECT_EQ(StatusOf(10 * kMiB), Status::kOk);
}

TEST_F(ArenaLifecycleTest, ALimitTooSmallForARegion) {
  arena().quota().set_limit_bytes(kSliceSize - 1);
  EXPECT_EQ(StatusOf(1), Status::kQuota);
  arena().quota().set_limit_bytes(kSliceSize);
  EXPECT_EQ(StatusOf(1), Status::kOk);
}

TEST_F(ArenaLifecycleTest, AFreeRegionGivesWayAtTheLimit) {
  arena().quota().set_limit_bytes(2 * kSliceSize);
  ground().Free(Allocate(kSliceSize / 2));
  EXPECT_EQ(arena().Stats().region_bytes, kSliceSize);
  EXPECT_EQ(StatusOf(60000), Status::kOk);
  EXPECT_EQ(arena().Stats().region_bytes, 2 * kSliceSize);
}

TEST_F(ArenaLifecycleTest, WhatIsRefusedToTheByteIsNotHeld) {
  ArenaOptions options;
  options.limit_bytes = 10000;
  options.exact_bytes = true;
  arena().Open(options);
  uint64_t blocks = 0;
  while (StatusOf(100) == Status::kOk) ++blocks;
  EXPECT_EQ(StatusOf(100), Status::kQuota);
  const ArenaStats stats = arena().Stats();
  EXPECT_EQ(stats.live_blocks, blocks);
  EXPECT_EQ(stats.live_bytes, stats.charged_bytes);
  EXPECT_LE(stats.live_bytes, 10000U);
  EXPECT_TRUE(ground().Check(arena()));
}

TEST_F(ArenaLifecycleTest, ToTheByteWhatIsFreedCanBeHadAgain) {
  ArenaOptions options;
  options.limit_bytes = kMiB;
  options.exact_bytes = true;
  arena().Open(options);
  for (size_t size : {size_t{100}, size_t{50000}, kMiB / 2, kMiB}) {
    for (int i = 0; i < 30; ++i) {
      void* block = Allocate(size);
      EXPECT_GE(arena().quota().charged_bytes(), size);
      ground().Free(block);
      EXPECT_EQ(arena().quota().charged_bytes(), 0U);
    }
  }
}

// --- Memory goes back. ---

TEST_F(ArenaLifecycleTest, PurgeGivesFreeRegionsAndPagesBack) {
  std::vector<void*> blocks;
  for (int i = 0; i < 400; ++i) {
    blocks.push_back(Allocate(40000));
    Fill(blocks.back(), 40000, 1);
  }
  // Every fifth stays, so that no region is free but most pages are.
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 5 != 0) ground().Free(blocks[i]);
  }
  const size_t purged = arena().Purge();
  EXPECT_GE(purged, 266U * 40000);
  size_t bytes = 0;
  for (const FakePageSource::Call& call : pages().journal()) {
    if (call.verb == Verb::kPurge) bytes += call.bytes;
  }
  EXPECT_GE(bytes, purged);
  for (size_t i = 0; i < blocks.size(); i += 5) {
    EXPECT_TRUE(IsFilled(blocks[i], 40000, 1));
    ground().Free(blocks[i]);
  }
  arena().Purge();
  EXPECT_EQ(arena().Stats().region_bytes, 0U);
  EXPECT_TRUE(ground().Check(arena()));
}

// A program that frees most and goes on gets rid of it without asking: what is
// free and dirty stays within the bounds that the run pool states.
TEST_F(ArenaLifecycleTest, DirtyMemoryIsBoundedWhileTheArenaGrows) {
  std::vector<void*> blocks;
  for (int i = 0; i < 64; ++i) {
    blocks.push_back(Allocate(kMiB));
    Fill(blocks.back(), kMiB, 1);
  }
  // Every fourth stays, so that nothing larger fits between them.
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 4 != 0) ground().Free(blocks[i]);
  }
  const size_t dirty = ground().runs().dirty_bytes();
  if (kIsSecure) {  // their pages went when they were freed
    EXPECT_EQ(dirty, 0U);
  } else {
    EXPECT_GE(dirty, 20 * kMiB);
  }
  for (int i = 0; i < 4; ++i) Allocate(kMaxLargeRequest);
  // Twice as much as was taken is purged, down to what may be wanted again.
  EXPECT_LE(ground().runs().dirty_bytes(), 16 * kMiB);
  for (int i = 0; i < 4; ++i) Allocate(kMaxLargeRequest);
  const size_t live = ground().runs().live_bytes();
  EXPECT_LE(ground().runs().dirty_bytes(),
            live / 8 > 4 * kMiB ? live / 8 : 4 * kMiB);
}

// --- Checks. ---

TEST_F(ArenaLifecycleTest, TheCheckNamesAPlantedCorruption) {
  char* first = static_cast<char*>(Allocate(100));
  const size_t usable = ground().UsableSize(first);
  Allocate(100);
  BrokenInvariant broken;
  ASSERT_TRUE(arena().CheckInvariants(Arena::LookAtAll, &broken));
  const char kept = first[usable];
  first[usable] = static_cast<char>(~kept);
  EXPECT_FALSE(arena().CheckInvariants(Arena::LookAtAll, &broken));
  EXPECT_EQ(broken.where, first + usable + Block::kTagBytes);
  first[usable] = kept;
  EXPECT_TRUE(arena().CheckInvariants(Arena::LookAtAll, &broken));
}

TEST_F(ArenaLifecycleTest, TheCheckNamesARunOfAnotherOwner) {
  void* ptr = Allocate(kMiB);
  Slice* run = ground().runs().FindRun(ground().runs().Find(ptr));
  run->owner = this;
  BrokenInvariant broken;
  EXPECT_FALSE(arena().CheckInvariants(Arena::LookAtAll, &broken));
  EXPECT_EQ(broken.where, ptr);
  EXPECT_STREQ(broken.what, "large block of another owner");
  run->owner = &arena();
  EXPECT_TRUE(arena().CheckInvariants(Arena::LookAtAll, &broken));
}

TEST_F(ArenaLifecycleTest, TheCheckNamesAHugeBlockOfAnotherOwner) {
  void* ptr = Allocate(9 * kMiB);
  HugeMapping* mapping = ground().huge().Find(ptr);
  mapping->owner = this;
  BrokenInvariant broken;
  EXPECT_FALSE(arena().CheckInvariants(Arena::LookAtAll, &broken));
  EXPECT_EQ(broken.where, ptr);
  EXPECT_STREQ(broken.what, "huge block of another owner");
  mapping->owner = &arena();
  EXPECT_TRUE(arena().CheckInvariants(Arena::LookAtAll, &broken));
}

TEST_F(ArenaLifecycleTest, TheCheckNamesARegionOfAnotherOwner) {
  Slice* region = ground().runs().FindRun(ground().runs().Find(Allocate(100)));
  region->owner = this;
  BrokenInvariant broken;
  EXPECT_FALSE(arena().CheckInvariants(Arena::LookAtAll, &broken));
  EXPECT_STREQ(broken.what, "region of another owner");
  region->owner = &arena();
  EXPECT_TRUE(arena().CheckInvariants(Arena::LookAtAll, &broken));
}

// In an arena of the program, also when blocks have come and gone.
TEST_F(ArenaLifecycleTest, TheCheckFindsAChargeThatNobodyHolds) {
  arena().set_token(16);
  arena().Open(ArenaOptions());
  std::vector<void*> blocks = AllocateSome();
  for (;;) {
    BrokenInvariant broken;
    EXPECT_TRUE(arena().CheckInvariants(Arena::LookAtAll, &broken));
    ASSERT_TRUE(arena().quota().Charge(kPageSize));
    EXPECT_FALSE(arena().CheckInvariants(Arena::LookAtAll, &broken));
    EXPECT_STREQ(broken.what, "charge that is not what is held");
    arena().quota().Return(kPageSize);
    if (blocks.empty()) break;
    ground().Free(blocks.back());
    blocks.pop_back();
  }
}

TEST_F(ArenaLifecycleDeathTest, OverflowIntoTheNextHeaderIsFoundByFree) {
  char* first = static_cast<char*>(Allocate(100));
  Allocate(100);
  Fill(first, ground().UsableSize(first) + 1, 3);
  EXPECT_DEATH(ground().Free(first), "myonlymalloc: overwritten header at 0x");
}

TEST_F(ArenaLifecycleDeathTest, DoubleFreesAbort) {
  for (size_t size : {size_t{100}, size_t{60000}, kMiB}) {
    void* ptr = Allocate(size);
    Slice* run = ground().runs().FindRun(ground().runs().Find(ptr));
    ground().Free(ptr);
    if (size < kMiB) {
      EXPECT_DEATH(ground().Free(ptr), "myonlymalloc: double free at 0x");
    } else {
      EXPECT_DEATH(arena().FreeLarge(run, ptr),
                   "myonlymalloc: double free at 0x");
    }
  }
}

TEST_F(ArenaLifecycleDeathTest, FreeingInsideABlockAborts) {
  for (size_t size : {size_t{100}, size_t{60000}, kMiB, 9 * kMiB}) {
    char* ptr = static_cast<char*>(Allocate(size));
    EXPECT_DEATH(ground().Free(ptr + 16),
                 "myonlymalloc: free of an address inside a block at 0x");
  }
}

TEST_F(ArenaLifecycleDeathTest, UsingTheInsideOfALargeBlockAborts) {
  constexpr char kInside[] = "myonlymalloc: free of an address inside a block";
  for (const size_t size : {kMiB, 9 * kMiB}) {
    void* ptr = static_cast<char*>(Allocate(size)) + 16;
    EXPECT_DEATH(ground().Resize(&ptr, size + kPageSize, true), kInside);
    EXPECT_DEATH(ground().UsableSize(ptr), kInside);
  }
}

TEST_F(ArenaLifecycleDeathTest, UsingAFreedLargeBlockAborts) {
  void* ptr = Allocate(kMiB);
  Slice* run = ground().runs().FindRun(ground().runs().Find(ptr));
  ground().Free(ptr);
  EXPECT_DEATH(arena().ResizeLarge(run, ptr, kMiB), "use of a freed block");
  EXPECT_DEATH(arena().UsableLarge(run, ptr), "use of a freed block");
}

// --- Side by side. ---

TEST_F(ArenaLifecycleTest, TwoArenasShareNoPage) {
  Arena other(ground().runs(), ground().huge(), TestSeed, "other");
  other.Open(ArenaOptions());
  std::set<uintptr_t> pages_of[2];
  Arena* arenas[] = {&arena(), &other};
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    const size_t which = random() % 2;
    const size_t size = random() % (i % 100 == 0 ? 300000 : 3000);
    void* ptr = AllocateFrom(*arenas[which], size);
    EXPECT_EQ(ground().OwnerOf(ptr), arenas[which]);
    // The header is the block's as well.
    const auto start = reinterpret_cast<uintptr_t>(ptr) - Block::kTagBytes;
    const uintptr_t end =
        reinterpret_cast<uintptr_t>(ptr) + ground().UsableSize(ptr);
    // A block of whole pages has no header.
    const bool has_tag = size <= kMaxBlockRequest;
    for (uintptr_t at = has_tag ? start : reinterpret_cast<uintptr_t>(ptr);
         at < end; at += kPageSize) {
      pages_of[which].insert(at / kPageSize);
    }
    pages_of[which].insert((end - 1) / kPageSize);
  }
  for (uintptr_t page : pages_of[0]) EXPECT_EQ(pages_of[1].count(page), 0U);
  // One goes; the other one does not notice.
  other.Close(/*require_empty=*/false);
  EXPECT_TRUE(ground().Check(arena()));
}

TEST(ArenaThreadsTest, ThreadsShareAnArenaUnderItsLock) {
  MmapPageSource pages;
  Ground ground(pages);
  Arena arena(ground.runs(), ground.huge(), TestSeed, "threads");
  arena.Open(ArenaOptions());
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kSteps = 20000;
  std::atomic<int> wrong{0};
  // Blocks change hands here: who takes one out frees it.
  std::atomic<void*> slots[64] = {};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (uint32_t i = 0; i < kSteps; ++i) {
        const size_t size = 64 + random() % (i % 64 == 0 ? 500000 : 5000);
        Status status = Status::kOk;
        void* ptr = arena.Allocate(size, &status);
        if (ptr == nullptr) ++wrong;
        Fill(ptr, 64, 5);
        ptr = slots[random() % 64].exchange(ptr);
        if (ptr == nullptr) continue;
        if (!IsFilled(ptr, 64, 5)) ++wrong;
        ground.Free(ptr);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& slot : slots) {
    if (slot != nullptr) ground.Free(slot);
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(arena.Stats().allocations, kThreads * kSteps);
  EXPECT_EQ(arena.Stats().live_bytes, 0U);
  EXPECT_TRUE(ground.Check(arena));
  EXPECT_TRUE(arena.Close(/*require_empty=*/true));
}

}  // namespace
}  // namespace myonly::internal
