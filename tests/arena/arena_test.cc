// Blocks of an arena: every kind, size, alignment and way to resize, over real
// pages and over the fake. The arena as a whole is in arena_lifecycle_test.cc.
#include "allocator/arena/arena.h"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "allocator/base/mutex.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Around every place where the arena changes its ways.
std::vector<size_t> BorderSizes() {
  std::vector<size_t> sizes = {0};
  const auto add = [&sizes](size_t size) {
    sizes.insert(sizes.end(), {size - 1, size, size + 1});
  };
  for (size_t size = 8; size <= 32 * kMiB; size *= 2) add(size);
  for (size_t size : {24, 40, 1016, 1032, 4088, 65528}) add(size);
  add(kMaxLargeRequest - kPageSize);
  add(kMaxLargeRequest + kPageSize);
  return sizes;
}

// Of the pages in [start, start + bytes), those that hold memory.
size_t ResidentPages(char* start, size_t bytes) {
  std::vector<unsigned char> resident(bytes / kPageSize);
  EXPECT_EQ(mincore(start, bytes, resident.data()), 0);
  return static_cast<size_t>(
      std::count_if(resident.begin(), resident.end(),
                    [](unsigned char page) { return (page & 1) != 0; }));
}

class ArenaTest : public ::testing::TestWithParam<const char*> {
 protected:
  ArenaTest() {
    const bool fake = std::string(GetParam()) == "Fake";
    PageSource* pages = &real_;
    if (fake) pages = &fake_;
    ground_ = std::make_unique<Ground>(*pages);
    arena_ = std::make_unique<Arena>(ground_->runs(), ground_->huge(), TestSeed,
                                     "test");
    arena_->Open(ArenaOptions());
  }
  // A test that leaves something wrong behind has failed.
  void TearDown() override {
    EXPECT_TRUE(ground_->Check(*arena_));
    arena_->Close(/*require_empty=*/false);
    EXPECT_TRUE(ground_->Check(*arena_));
  }

  Arena& arena() { return *arena_; }
  Ground& ground() { return *ground_; }

  void* Allocate(size_t size) {
    Status status = Status::kOk;
    void* ptr = arena_->Allocate(size, &status);
    EXPECT_NE(ptr, nullptr) << size;
    return ptr;
  }
  void* Aligned(size_t size, size_t alignment) {
    Status status = Status::kOk;
    void* ptr = arena_->AllocateAligned(size, alignment, &status);
    EXPECT_NE(ptr, nullptr) << size << " at " << alignment;
    return ptr;
  }
  bool IsHuge(void* ptr) { return ground_->runs().Find(ptr) == nullptr; }
  bool IsKind(void* ptr, RunKind kind) {
    return !IsHuge(ptr) && ground_->runs().Find(ptr)->kind == kind;
  }

 private:
  FakePageSource fake_;
  MmapPageSource real_;
  std::unique_ptr<Ground> ground_;
  std::unique_ptr<Arena> arena_;
};

// Tags are at both ends of what is open; what isn't used is not touched.
TEST(ArenaPagesTest, FewBlocksTouchOnePageAndMoreNoMoreThanTwice) {
  MmapPageSource pages;
  Ground ground(pages);
  Arena arena(ground.runs(), ground.huge(), TestSeed, "test");
  arena.Open(ArenaOptions());
  Status status = Status::kOk;
  std::vector<char*> blocks;
  for (size_t used_bytes = 0; used_bytes < kSliceSize - kPageSize;
       used_bytes += 512) {
    char* block = static_cast<char*>(arena.Allocate(500, &status));
    ASSERT_NE(block, nullptr);
    blocks.push_back(block);
    char* start = ground.runs().AddressOf(ground.runs().Find(block));
    const size_t pages_used = used_bytes / kPageSize + 1;
    EXPECT_LE(ResidentPages(start, kSliceSize), 2 * pages_used) << used_bytes;
    if (used_bytes < kPageSize - 1024) {
      EXPECT_EQ(ResidentPages(start, kSliceSize), 1u) << used_bytes;
    }
  }
  EXPECT_TRUE(ground.Check(arena));
  EXPECT_EQ(arena.Stats().region_bytes, kSliceSize);
  for (char* block : blocks) ground.Free(block);
  EXPECT_EQ(arena.Stats().live_blocks, 0u);
  EXPECT_EQ(arena.Stats().live_bytes, 0u);
  EXPECT_TRUE(ground.Check(arena));
  arena.Close(/*require_empty=*/true);
}

INSTANTIATE_TEST_SUITE_P(Over, ArenaTest, ::testing::Values("Fake", "Mmap"),
                         [](const auto& info) {
                           return std::string(info.param);
                         });

// --- Allocating. ---

TEST_P(ArenaTest, EveryBorderSizeIsUsableInFullAndApart) {
  const std::vector<size_t> sizes = BorderSizes();
  std::vector<void*> blocks;
  for (size_t i = 0; i < sizes.size(); ++i) {
    void* ptr = Allocate(sizes[i]);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(ptr) % kMinAlignment, 0U);
    ASSERT_GE(ground().UsableSize(ptr), sizes[i]);
    Fill(ptr, ground().UsableSize(ptr), static_cast<uint32_t>(i));
    blocks.push_back(ptr);
  }
  EXPECT_TRUE(ground().Check(arena()));
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(ground().OwnerOf(blocks[i]), &arena());
    ASSERT_TRUE(IsFilled(blocks[i], ground().UsableSize(blocks[i]),
                         static_cast<uint32_t>(i)))
        << sizes[i];
    ground().Free(blocks[i]);
  }
  EXPECT_EQ(arena().Stats().live_blocks, 0U);
}

TEST_P(ArenaTest, SizesDecideTheKindOfMemory) {
  EXPECT_TRUE(IsKind(Allocate(0), RunKind::kRegion));
  EXPECT_TRUE(IsKind(Allocate(kMaxBlockRequest), RunKind::kRegion));
  EXPECT_TRUE(IsKind(Allocate(kMaxBlockRequest + 1), RunKind::kLarge));
  EXPECT_TRUE(IsKind(Allocate(kMaxLargeRequest), RunKind::kLarge));
  EXPECT_TRUE(IsHuge(Allocate(kMaxLargeRequest + 1)));
}

TEST_P(ArenaTest, ZeroedMeansZeroInRecycledMemoryToo) {
  for (size_t size : {size_t{1}, size_t{100}, size_t{5000}, size_t{65536},
                      size_t{65537}, 3 * kMiB, 8 * kMiB, 12 * kMiB}) {
    for (int round = 0; round < 3; ++round) {
      Status status = Status::kOk;
      void* ptr = arena().AllocateZeroed(size, &status);
      ASSERT_NE(ptr, nullptr);
      EXPECT_TRUE(IsZero(ptr, size)) << size << " round " << round;
      Fill(ptr, ground().UsableSize(ptr), 7);
      ground().Free(ptr);
    }
  }
}

TEST_P(ArenaTest, EveryAlignment) {
  for (size_t alignment = 1; alignment <= 32 * kMiB; alignment *= 2) {
    for (size_t size :
         {size_t{0}, size_t{1}, size_t{100}, size_t{4096}, kMaxBlockRequest,
          kMaxBlockRequest + 1, 3 * kMiB, kMaxLargeRequest, 9 * kMiB}) {
      void* ptr = Aligned(size, alignment);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(ptr) % alignment, 0U)
          << size << " at " << alignment;
      ASSERT_GE(ground().UsableSize(ptr), size);
      // Both ends; all of it would be gigabytes.
      Fill(ptr, size < 4096 ? size : 4096, 3);
      if (size > 4096) Fill(static_cast<char*>(ptr) + size - 4096, 4096, 4);
      ground().Free(ptr);
    }
    ASSERT_TRUE(ground().Check(arena())) << alignment;
  }
}

// Zeros are for who asks for them: others get what was kept, as it is.
TEST_P(ArenaTest, AHugeBlockTakesWhatIsKept) {
  if (kIsSecure) GTEST_SKIP() << "what was freed waits";
  for (const size_t alignment : {kMinAlignment, size_t{256}}) {
    void* ptr = Aligned(9 * kMiB, alignment);
    Fill(ptr, 9 * kMiB, 5);
    ground().Free(ptr);
    ASSERT_GE(ground().huge().cached_bytes(), 9 * kMiB);
    ptr = Aligned(9 * kMiB, alignment);
    EXPECT_EQ(ground().huge().cached_bytes(), 0U) << alignment;
    EXPECT_TRUE(IsFilled(ptr, 9 * kMiB, 5)) << alignment;
    ground().Free(ptr);
  }
}

TEST_P(ArenaTest, AlignedBlocksDoNotOverlap) {
  std::vector<void*> blocks;
  uint32_t tag = 0;
  for (size_t alignment = 16; alignment <= 256 * 1024; alignment *= 2) {
    for (size_t size : {24, 1000, 20000, 70000}) {
      blocks.push_back(Aligned(size, alignment));
      Fill(blocks.back(), ground().UsableSize(blocks.back()), tag++);
    }
  }
  for (uint32_t i = 0; i < tag; ++i) {
    ASSERT_TRUE(IsFilled(blocks[i], ground().UsableSize(blocks[i]), i));
    ground().Free(blocks[i]);
  }
}

TEST_P(ArenaTest, ImpossibleSizesAreNoMemory) {
  for (size_t size : {kMaxRequest, kMaxRequest + 1, SIZE_MAX - 4096, SIZE_MAX,
                      kMaxRequest - kPageSize}) {
    Status status = Status::kOk;
    EXPECT_EQ(arena().Allocate(size, &status), nullptr);
    EXPECT_EQ(status, Status::kNoMemory);
    status = Status::kOk;
    EXPECT_EQ(arena().AllocateZeroed(size, &status), nullptr);
    EXPECT_EQ(status, Status::kNoMemory);
    for (size_t alignment : {size_t{16}, size_t{4096}, size_t{1} << 62}) {
      status = Status::kOk;
      EXPECT_EQ(arena().AllocateAligned(size, alignment, &status), nullptr);
      EXPECT_EQ(status, Status::kNoMemory);
    }
  }
  Status status = Status::kOk;
  EXPECT_EQ(arena().AllocateAligned(1, size_t{1} << 63, &status), nullptr);
  EXPECT_EQ(status, Status::kNoMemory);
}

TEST_P(ArenaTest, SuccessLeavesTheStatusAlone) {
  Status status = Status::kBusy;
  EXPECT_NE(arena().Allocate(10, &status), nullptr);
  EXPECT_NE(arena().Allocate(kMiB, &status), nullptr);
  EXPECT_NE(arena().AllocateZeroed(9 * kMiB, &status), nullptr);
  EXPECT_NE(arena().AllocateAligned(10, 4096, &status), nullptr);
  EXPECT_EQ(status, Status::kBusy);
}

// --- Resizing. ---

TEST_P(ArenaTest, ABlockGrowsIntoFreeMemoryBehindIt) {
  void* ptr = Allocate(1000);
  Fill(ptr, 1000, 1);
  void* same = ptr;
  ASSERT_TRUE(ground().Resize(&same, 5000, /*may_move=*/false));
  EXPECT_EQ(same, ptr);
  EXPECT_GE(ground().UsableSize(ptr), 5000U);
  EXPECT_TRUE(IsFilled(ptr, 1000, 1));
}

TEST_P(ArenaTest, ABlockDoesNotGrowOverALiveOne) {
  void* ptr = Allocate(1000);
  void* behind = Allocate(1000);
  Fill(behind, ground().UsableSize(behind), 2);
  const size_t usable = ground().UsableSize(ptr);
  EXPECT_FALSE(ground().Resize(&ptr, 5000, /*may_move=*/true));
  EXPECT_EQ(ground().UsableSize(ptr), usable);
  EXPECT_TRUE(IsFilled(behind, ground().UsableSize(behind), 2));
}

TEST_P(ArenaTest, ABlockShrinksAndItsEndIsUsedAgain) {
  void* ptr = Allocate(40000);
  const size_t before = arena().Stats().live_bytes;
  ASSERT_TRUE(ground().Resize(&ptr, 100, /*may_move=*/false));
  EXPECT_LT(ground().UsableSize(ptr), 200U);
  EXPECT_LT(arena().Stats().live_bytes, before - 39000);
  const size_t held = arena().Stats().reserved_bytes();
  Allocate(30000);
  EXPECT_EQ(arena().Stats().reserved_bytes(), held);
}

TEST_P(ArenaTest, ALargeBlockGrowsAndShrinksInPlace) {
  if (kIsSecure) GTEST_SKIP() << "a page that faults is behind each";
  void* ptr = Allocate(kMiB);
  Fill(ptr, kMiB, 1);
  const uint64_t large = arena().Stats().large_bytes;
  ASSERT_TRUE(ground().Resize(&ptr, 3 * kMiB / 2, /*may_move=*/false));
  EXPECT_EQ(arena().Stats().large_bytes, large + kMiB / 2);
  EXPECT_TRUE(IsFilled(ptr, kMiB, 1));
  Fill(ptr, 3 * kMiB / 2, 2);
  ASSERT_TRUE(ground().Resize(&ptr, kMiB / 4, /*may_move=*/false));
  EXPECT_EQ(arena().Stats().large_bytes, kMiB / 4);
  EXPECT_EQ(ground().UsableSize(ptr), kMiB / 4);
  EXPECT_TRUE(IsFilled(ptr, kMiB / 4, 2));
}

TEST_P(ArenaTest, ALargeBlockInSecureKeepsItsPagesWhereThereIsNoRoom) {
  if (!kIsSecure) GTEST_SKIP() << "the preset is not secure";
  void* ptr = Allocate(kMiB);
  Fill(ptr, kMiB, 1);
  for (const size_t size : {3 * kMiB / 2, kMiB / 2, kMiB + kSliceSize}) {
    void* same = ptr;
    EXPECT_FALSE(ground().Resize(&same, size, /*may_move=*/false));
    EXPECT_EQ(same, ptr);
    EXPECT_EQ(ground().UsableSize(ptr), kMiB);
  }
  EXPECT_TRUE(ground().Resize(&ptr, kMiB - 1, /*may_move=*/false));
  EXPECT_TRUE(IsFilled(ptr, kMiB, 1));
}

#ifdef MYONLY_PRESET_SECURE
// Of the process's own arena, which is never opened and has no limit.
TEST_P(ArenaTest, WhatIsToGrowHasRoomThatFaults) {
  Arena arena(ground().runs(), ground().huge(), TestSeed, "process");
  Status status;
  void* ptr = arena.AllocateToGrow(100000, &status);
  ASSERT_NE(ptr, nullptr);
  const Slice* run = ground().runs().FindRun(ground().runs().Find(ptr));
  const uint64_t large = arena.Stats().large_bytes;
  size_t filled = 0;
  for (const size_t size : {100000, 100001, 150000, 300000, 400000}) {
    ASSERT_TRUE(ground().Resize(&ptr, size, /*may_move=*/false));
    EXPECT_TRUE(IsFilled(ptr, filled, 1));
    const size_t usable = AlignUp(size, kPageSize);
    EXPECT_EQ(ground().UsableSize(ptr), usable);
    volatile char* behind = static_cast<char*>(ptr) + usable;
    volatile char* last = ground().runs().AddressOf(run) + large - 1;
    if (run->large.has_guard) {
      EXPECT_EXIT(*behind = 1, ::testing::KilledBySignal(SIGSEGV), "");
      EXPECT_EXIT(*last = 1, ::testing::KilledBySignal(SIGSEGV), "");
    }
    Fill(ptr, usable, 1);
    filled = usable;
  }
  EXPECT_EQ(arena.Stats().large_bytes, large);
  EXPECT_FALSE(ground().Resize(&ptr, large, /*may_move=*/false));
  EXPECT_FALSE(ground().Resize(&ptr, 300000, /*may_move=*/false));
  EXPECT_TRUE(IsFilled(ptr, filled, 1));
  ground().Free(ptr);
}

TEST_P(ArenaTest, ThereIsRoomForAsMuchAsIsInUse) {
  Arena arena(ground().runs(), ground().huge(), TestSeed, "process");
  Status status;
  size_t asked = 0;
  std::vector<void*> blocks;
  while (asked < 256 * kMiB) {
    blocks.push_back(arena.AllocateToGrow(kMiB, &status));
    ASSERT_NE(blocks.back(), nullptr);
    asked += kMiB;
    const uint64_t room = arena.Stats().large_bytes - asked;
    EXPECT_LE(room, std::max<uint64_t>(asked, 64 * kMiB) + 4 * kMiB);
  }
  EXPECT_GT(arena.Stats().large_bytes, 3 * asked / 2);
  for (void* block : blocks) ground().Free(block);
}

TEST_P(ArenaTest, NoLimitIsSpentOnRoom) {
  Status status;
  ASSERT_NE(arena().AllocateToGrow(kMiB, &status), nullptr);
  EXPECT_EQ(arena().Stats().large_bytes, kMiB + kSliceSize);
}
#endif

// It begins between the slices of its run.
TEST_P(ArenaTest, AnAlignedLargeBlockIsResizedInPlace) {
  if (kIsSecure) GTEST_SKIP() << "a page that faults is behind each";
  bool has_offset = false;
  for (uint32_t i = 0; i < 8; ++i) {
    void* ptr = Aligned(200000, kMiB);
    const Slice* slice = ground().runs().Find(ptr);
    has_offset = has_offset || ground().runs().FindRun(slice) != slice;
    Fill(ptr, 100000, i);
    void* same = ptr;
    ASSERT_TRUE(ground().Resize(&same, 100000, /*may_move=*/false));
    EXPECT_EQ(same, ptr);
    EXPECT_EQ(ground().UsableSize(ptr), AlignUp(100000, kPageSize));
    EXPECT_TRUE(IsFilled(ptr, 100000, i));
  }
  EXPECT_TRUE(has_offset);
}

TEST_P(ArenaTest, ALargeBlockDoesNotGrowOverALiveOne) {
  void* ptr = Allocate(kMiB);
  void* behind = Allocate(kMiB);
  Fill(behind, kMiB, 2);
  EXPECT_FALSE(ground().Resize(&ptr, 2 * kMiB, /*may_move=*/true));
  EXPECT_EQ(ground().UsableSize(ptr), kMiB);
  EXPECT_TRUE(IsFilled(behind, kMiB, 2));
}

TEST_P(ArenaTest, AHugeBlockIsRemapped) {
  void* ptr = Allocate(10 * kMiB);
  Fill(ptr, 10 * kMiB, 1);
  void* stays = ptr;
  EXPECT_FALSE(ground().Resize(&stays, 40 * kMiB, /*may_move=*/false));
  EXPECT_EQ(stays, ptr);
  ASSERT_TRUE(ground().Resize(&ptr, 40 * kMiB, /*may_move=*/true));
  EXPECT_TRUE(IsFilled(ptr, 10 * kMiB, 1));
  EXPECT_TRUE(IsZero(static_cast<char*>(ptr) + 10 * kMiB, 30 * kMiB));
  EXPECT_EQ(arena().Stats().huge_bytes, 40 * kMiB);
  ASSERT_TRUE(ground().Resize(&ptr, 9 * kMiB, /*may_move=*/false));
  EXPECT_EQ(arena().Stats().huge_bytes, 9 * kMiB);
  EXPECT_TRUE(IsFilled(ptr, 9 * kMiB, 1));
}

TEST_P(ArenaTest, ReallocateKeepsContentsBetweenAllKinds) {
  const size_t sizes[] = {1,    50,       3000,     65536,    65537,
                          kMiB, 8 * kMiB, 9 * kMiB, 20 * kMiB};
  for (size_t from : sizes) {
    for (size_t to : sizes) {
      void* ptr = Allocate(from);
      Fill(ptr, from, 5);
      Status status = Status::kOk;
      void* moved = ground().Reallocate(ptr, to, &status);
      ASSERT_NE(moved, nullptr);
      ASSERT_GE(ground().UsableSize(moved), to);
      ASSERT_TRUE(IsFilled(moved, from < to ? from : to, 5))
          << from << " to " << to;
      ground().Free(moved);
    }
  }
  EXPECT_EQ(arena().Stats().live_bytes, 0U);
}

TEST_P(ArenaTest, NoBlockIsResizedToAnImpossibleSize) {
  for (size_t size : {size_t{100}, kMiB, 10 * kMiB}) {
    void* ptr = Allocate(size);
    Fill(ptr, size, 1);
    for (size_t wanted : {kMaxRequest, kMaxRequest - 1}) {
      Status status = Status::kOk;
      EXPECT_EQ(ground().Reallocate(ptr, wanted, &status), nullptr);
      EXPECT_EQ(status, Status::kNoMemory);
    }
    EXPECT_TRUE(IsFilled(ptr, size, 1));
  }
}

}  // namespace
}  // namespace myonly::internal
