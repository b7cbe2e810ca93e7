// The blocks of one heap over a run pool: when a region is opened, added and
// given back, and what waits in quick lists.
#include "allocator/arena/block_heap.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/invariant.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/quick_lists.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/quota.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

class BlockHeapTest : public ::testing::Test {
 protected:
  ~BlockHeapTest() override { EXPECT_TRUE(IsSound()); }

  char* Allocate(size_t size) {
    void* ptr = heap_.AllocateQuick(size);
    if (ptr == nullptr) ptr = heap_.AllocateFree(size, kMinAlignment);
    if (ptr == nullptr) ptr = heap_.Grow(size, kMinAlignment, &status_);
    if (ptr != nullptr) {
      ++live_;
      memset(ptr, 'x', size);
    }
    return static_cast<char*>(ptr);
  }
  void Free(void* ptr) {
    --live_;
    EXPECT_TRUE(heap_.Free(runs_.Find(ptr), ptr));
  }
  bool Resize(void* ptr, size_t size) {
    return heap_.Resize(runs_.Find(ptr), ptr, size);
  }
  // All counters agree with what is there.
  bool IsSound() {
    size_t bytes = 0;
    size_t blocks = 0;
    BrokenInvariant broken;
    return heap_.Check(&bytes, &blocks, &broken) && blocks == live_ &&
           bytes == heap_.LiveBytes(live_) &&
           bytes == heap_.PeekLiveBytes(live_) &&
           heap_.free_bytes() == heap_.PeekFreeBytes() &&
           heap_.region_bytes() == heap_.PeekRegionBytes() &&
           heap_.region_bytes() == quota_.charged_bytes() &&
           heap_.region_bytes() == runs_.live_bytes();
  }

  FakePageSource pages_;
  MetadataAllocator metadata_{pages_};
  RunPool runs_{pages_};
  HugeMappings huge_{pages_, metadata_};
  Quota quota_;
  QuickLists quick_;
  BlockHeap heap_{{runs_, quota_},  huge_, TestSeed,
                  RunKind::kRegion, this,  &quick_};
  Status status_ = Status::kOk;
  size_t live_ = 0;
};

TEST_F(BlockHeapTest, RegionsDoubleUpTo256KiB) {
  std::vector<size_t> sizes = {0};
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NE(Allocate(1000), nullptr);
    ASSERT_TRUE(IsSound()) << i;
    if (heap_.region_bytes() != sizes.back()) {
      sizes.push_back(heap_.region_bytes());
    }
  }
  for (size_t i = 1; i < sizes.size(); ++i) {
    const size_t added = Max(kSliceSize, Min(sizes[i - 1], 256 * 1024));
    EXPECT_EQ(sizes[i], sizes[i - 1] + added) << i;
  }
  EXPECT_GE(sizes.size(), 10U);
}

// Of a buffer only the beginning may be used: a region for one is not filled in
// advance, but for its share of what small blocks want.
TEST_F(BlockHeapTest, RegionsForBuffersAreNotPopulated) {
  const auto populated = [this] {
    return pages_.Count(FakePageSource::Verb::kPopulate) +
           pages_.Count(FakePageSource::Verb::kPopulateHuge);
  };
  for (const size_t size : {size_t{8192}, size_t{20000}, size_t{60000}}) {
    for (int i = 0; i < 200; ++i) ASSERT_NE(Allocate(size), nullptr);
    EXPECT_EQ(populated(), 0U) << size;
  }
  for (int i = 0; i < 1000; ++i) ASSERT_NE(Allocate(4000), nullptr);
  EXPECT_GE(populated(), 1U);
}

// A heap of few blocks touches one page; later twice as many each time.
TEST_F(BlockHeapTest, TheFirstRegionIsOpenedBitByBit) {
  if (kIsSecure) GTEST_SKIP() << "other things are in the region, too";
  char* first = Allocate(100);
  const char* start = runs_.AddressOf(runs_.Find(first));
  const auto open_pages = [this, start] {
    size_t pages = kSliceSize / kPageSize;
    while (!pages_.MayBeResident(start + (pages - 1) * kPageSize)) --pages;
    return pages;
  };
  std::vector<size_t> open = {open_pages()};
  while (heap_.region_bytes() == kSliceSize) {
    Allocate(100);
    ASSERT_TRUE(IsSound());
    if (open_pages() != open.back()) open.push_back(open_pages());
  }
  EXPECT_EQ(open, (std::vector<size_t>{1, 2, 4, 8}));
}

TEST_F(BlockHeapTest, TheLastBlockGrowsIntoWhatIsNotOpen) {
  char* first = Allocate(100);
  char* last = Allocate(100);
  EXPECT_FALSE(Resize(first, 200));
  if (!kIsSecure) {
    EXPECT_FALSE(
        pages_.MayBeResident(runs_.AddressOf(runs_.Find(first)) + kPageSize));
  }
  EXPECT_TRUE(Resize(last, 20000));
  EXPECT_TRUE(IsSound());
  EXPECT_GE(heap_.UsableSize(runs_.Find(last), last), 20000U);
  EXPECT_TRUE(Resize(last, 30000));
  EXPECT_FALSE(Resize(last, 40000));
  EXPECT_FALSE(Resize(last, kMaxBlockRequest + 1));
  EXPECT_EQ(heap_.region_bytes(), kSliceSize);
}

TEST_F(BlockHeapTest, ServesUpTo64KiBWithItsAlignment) {
  EXPECT_TRUE(BlockHeap::Serves(kMaxBlockRequest, kMinAlignment));
  EXPECT_FALSE(BlockHeap::Serves(kMaxBlockRequest + 1, kMinAlignment));
  EXPECT_TRUE(BlockHeap::Serves(32 * 1024 - 1024, 32 * 1024));
  EXPECT_FALSE(BlockHeap::Serves(32 * 1024, 32 * 1024));
  EXPECT_FALSE(BlockHeap::Serves(1, 64 * 1024));
  EXPECT_TRUE(BlockHeap::Serves(1, 32 * 1024));
  EXPECT_TRUE(BlockHeap::Serves(60000, 4096));
  EXPECT_FALSE(BlockHeap::Serves(61000, 4096));
}

// Two sizes by turns, of which one at a time fits.
TEST_F(BlockHeapTest, WhatIsCoalescedTooOftenIsKept) {
  char* block = Allocate(20000);
  for (int flushes = 1; flushes <= 17; ++flushes) {
    Free(block);
    const size_t waits = heap_.quick_bytes();
    block = Allocate(flushes % 2 == 1 ? 30000 : 20000);
    if (flushes <= 16) {
      EXPECT_EQ(heap_.quick_bytes(), 0U) << flushes;
      EXPECT_EQ(heap_.region_bytes(), kSliceSize) << flushes;
    } else {
      EXPECT_EQ(heap_.quick_bytes(), waits);
      EXPECT_EQ(heap_.region_bytes(), 2 * kSliceSize);
    }
  }
}

TEST_F(BlockHeapTest, NoMoreThanTheLimitWaitsInQuickLists) {
  constexpr size_t kBytes = 4048;  // a size that is not rounded
  std::vector<char*> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(Allocate(kBytes - 8));
  const size_t limit = quick_.limit_bytes();
  ASSERT_EQ(limit, QuickLists::kMinLimitBytes);
  const size_t fit = limit / kBytes;
  for (size_t i = 0; i < fit; ++i) Free(blocks[i]);
  EXPECT_EQ(heap_.quick_bytes(), fit * kBytes);
  // One more, and three quarters stay.
  Free(blocks[fit]);
  EXPECT_EQ(heap_.quick_bytes(), limit / 4 * 3 / kBytes * kBytes);
  EXPECT_EQ(quick_.limit_bytes(), heap_.region_bytes() / 2);
  EXPECT_TRUE(IsSound());
}

TEST_F(BlockHeapTest, WhatWaitsForHalfASecondIsCoalesced) {
  std::vector<char*> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(Allocate(4000));
  for (char* block : blocks) Free(block);
  ASSERT_GT(heap_.quick_bytes(), QuickLists::kMinLimitBytes);
  heap_.Decay(1000);  // flushed since
  const size_t waits = heap_.quick_bytes();
  heap_.Decay(1499);
  EXPECT_EQ(heap_.quick_bytes(), waits);
  heap_.Decay(1500);
  EXPECT_EQ(heap_.quick_bytes(), 0U);
  EXPECT_EQ(heap_.region_bytes(), 0U);
}

TEST_F(BlockHeapTest, AFewThatWaitStay) {
  std::vector<char*> blocks;
  for (int i = 0; i < 20; ++i) blocks.push_back(Allocate(4000));
  for (char* block : blocks) Free(block);
  const size_t waits = heap_.quick_bytes();
  for (uint64_t ms = 1000; ms < 10000; ms += 500) heap_.Decay(ms);
  EXPECT_EQ(heap_.quick_bytes(), waits);
}

// 700 KB that come and go at once, with so many other requests in each round.
// Returns what waits at the end.
size_t WaitsAfterRounds(BlockHeap* heap, QuickLists* quick, const RunPool& runs,
                        size_t requests) {
  constexpr size_t kCount = 90;
  Status status;
  std::vector<void*> blocks(kCount);
  for (int round = 0; round < 200; ++round) {
    for (void*& block : blocks) {
      block = heap->AllocateQuick(8000);
      if (block == nullptr) block = heap->AllocateFree(8000, kMinAlignment);
      if (block == nullptr) block = heap->Grow(8000, kMinAlignment, &status);
    }
    for (size_t i = 0; i < kCount + requests; ++i) quick->NoteRequest();
    for (void* block : blocks) heap->Free(runs.Find(block), block);
  }
  return heap->quick_bytes();
}

TEST_F(BlockHeapTest, WhatIsCoalescedInVainIsKept) {
  EXPECT_GE(WaitsAfterRounds(&heap_, &quick_, runs_, 0), size_t{90} * 8000);
}

// Each of them was coalesced and cut off again, but one in 17 requests or so.
TEST_F(BlockHeapTest, WhatIsSeldomCoalescedIsNotKept) {
  const size_t waits = WaitsAfterRounds(&heap_, &quick_, runs_, 16 * 90);
  EXPECT_LE(waits, heap_.region_bytes() / 2);
  EXPECT_LT(waits, size_t{90} * 8000);
}

TEST_F(BlockHeapTest, OneFreeRegionIsKept) {
  std::vector<char*> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(Allocate(60000));
  const size_t before = heap_.region_bytes();
  for (char* block : blocks) Free(block);
  heap_.FlushQuickLists(0);
  EXPECT_GT(heap_.region_bytes(), 0U);
  EXPECT_LT(heap_.region_bytes(), before);
  EXPECT_TRUE(IsSound());
  // Not while a block is in it again.
  Free(Allocate(24));
  char* block = Allocate(24);
  const size_t kept = heap_.region_bytes();
  heap_.FreeSpareRegion();
  EXPECT_EQ(heap_.region_bytes(), kept);
  Free(block);
  heap_.FlushQuickLists(0);
  heap_.FreeSpareRegion();
  EXPECT_EQ(heap_.region_bytes(), 0U);
  heap_.FreeSpareRegion();
}

TEST_F(BlockHeapTest, AtTheLimitTheSpareRegionGoesFirst) {
  Free(Allocate(24));
  heap_.FlushQuickLists(0);
  ASSERT_EQ(heap_.region_bytes(), kSliceSize);
  quota_.set_limit_bytes(2 * kSliceSize);
  ASSERT_NE(Allocate(60000), nullptr);
  EXPECT_EQ(heap_.region_bytes(), 2 * kSliceSize);
  EXPECT_EQ(Allocate(60000), nullptr);
  EXPECT_EQ(status_, Status::kQuota);
}

TEST_F(BlockHeapTest, WithoutMemoryTheLeastThatServesIsTaken) {
  for (int i = 0; i < 100; ++i) Allocate(4000);
  const size_t before = heap_.region_bytes();
  ASSERT_GE(before, 256U * 1024);
  quota_.set_limit_bytes(before + 2 * kSliceSize);
  while (heap_.region_bytes() == before) ASSERT_NE(Allocate(30000), nullptr);
  EXPECT_EQ(heap_.region_bytes(), before + kSliceSize);
  pages_.FailFrom(0);
  quota_.set_limit_bytes(SIZE_MAX);
  while (Allocate(60000) != nullptr) {
  }
  EXPECT_EQ(status_, Status::kNoMemory);
  pages_.StopFailing();
}

TEST_F(BlockHeapTest, WhatOthersPostComesBack) {
  char* block = Allocate(4000);
  char* another = Allocate(4000);
  for (const bool is_full : {false, true}) {
    char* posted = is_full ? another : block;
    ASSERT_TRUE(heap_.MarkPosted(runs_.Find(posted), posted));
    if (is_full) quick_.set_limit_bytes(0);  // what they hold
    const size_t waits = heap_.quick_bytes();
    const size_t free = heap_.free_bytes();
    --live_;
    heap_.FreePosted(runs_.Find(posted), posted);
    EXPECT_EQ(heap_.free_bytes(), free + 4048);
    if (!is_full) {
      EXPECT_EQ(heap_.quick_bytes(), waits + 4048);
    }
    EXPECT_TRUE(IsSound());
  }
}

// What has been free since the walk before, and in steps.
TEST_F(BlockHeapTest, PagesInsideFreeBlocksArePurgedInSteps) {
  std::vector<char*> blocks;
  for (int i = 0; i < 40; ++i) {
    blocks.push_back(Allocate(20000));
    Allocate(100);
  }
  for (char* block : blocks) Free(block);
  heap_.FlushQuickLists(0);
  const auto purges = [this] {
    return pages_.Count(FakePageSource::Verb::kPurge);
  };
  const size_t before = purges();
  EXPECT_FALSE(heap_.PurgeIdle(SIZE_MAX, false));  // no epoch has begun
  heap_.BeginEpoch();
  EXPECT_TRUE(heap_.PurgeIdle(1, false));
  EXPECT_FALSE(heap_.PurgeIdle(SIZE_MAX, false));
  EXPECT_EQ(purges(), before);
  heap_.BeginEpoch();
  size_t steps = 1;
  for (; heap_.PurgeIdle(1, false); ++steps) ASSERT_LT(steps, 100U);
  EXPECT_GE(steps, 3U);
  EXPECT_GE(purges(), before + 40);
  const size_t once = purges();
  heap_.BeginEpoch();
  EXPECT_FALSE(heap_.PurgeIdle(SIZE_MAX, true));
  EXPECT_EQ(purges(), once);
  EXPECT_EQ(heap_.Purge(), 0U);
}

// Whatever was to be walked when it was given up: it is others' by then.
TEST_F(BlockHeapTest, OnlyRegionsOfItsOwnAreWalked) {
  const auto purge_and_look = [this] {
    const size_t before = pages_.journal().size();
    EXPECT_FALSE(heap_.PurgeIdle(SIZE_MAX, /*at_once=*/true));
    for (size_t i = before; i < pages_.journal().size(); ++i) {
      const Slice* run = runs_.Find(pages_.journal()[i].start);
      ASSERT_NE(run, nullptr);
      EXPECT_EQ(run->kind, RunKind::kRegion);
    }
  };
  std::vector<char*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(Allocate(60000));
  while (!blocks.empty()) {
    // The walk begins with the youngest one, which goes.
    heap_.BeginEpoch();
    const Slice* run = runs_.FindRun(runs_.Find(blocks.back()));
    while (!blocks.empty() && runs_.FindRun(runs_.Find(blocks.back())) == run) {
      Free(blocks.back());
      blocks.pop_back();
    }
    heap_.FlushQuickLists(0);
    heap_.FreeSpareRegion();
    purge_and_look();
  }
  for (int i = 0; i < 40; ++i) Allocate(60000);
  heap_.BeginEpoch();
  heap_.DropAll(nullptr);
  live_ = 0;
  purge_and_look();
}

// Or its tags would be live blocks' when the pages are its own again.
TEST_F(BlockHeapTest, WhatIsDroppedIsClearedIfItsKeyStays) {
  heap_.KeepSealsApart(TestSeed());
  for (int round = 0; round < 2; ++round) {
    const uint64_t key = heap_.key();
    char* block = Allocate(2000);
    heap_.DropAll(nullptr);
    live_ = 0;
    EXPECT_EQ(heap_.key(), key);
    EXPECT_TRUE(IsZero(block - Block::kTagBytes, 2000 + Block::kTagBytes));
  }
}

TEST_F(BlockHeapTest, PurgeTellsTheBytes) {
  char* block = Allocate(20000);
  Allocate(100);
  Free(block);
  const size_t purged = heap_.Purge();
  EXPECT_GE(purged, 4 * kPageSize);
  EXPECT_LE(purged, 7 * kPageSize);
}

TEST_F(BlockHeapTest, AQuietHeapKeepsNothingInQuickLists) {
  char* block = Allocate(4000);
  Allocate(100);
  heap_.set_is_quiet(true);
  Free(block);
  EXPECT_EQ(heap_.quick_bytes(), 0U);
  block = Allocate(4000);
  heap_.set_is_quiet(false);
  Free(block);
  EXPECT_EQ(heap_.quick_bytes(), 4048U);
}

TEST_F(BlockHeapTest, DroppedItIsAsNew) {
  for (int round = 0; round < 3; ++round) {
    const uint64_t key = heap_.key();
    std::vector<char*> blocks;
    for (int i = 0; i < 100; ++i) blocks.push_back(Allocate(4000));
    for (int i = 0; i < 50; ++i) Free(blocks[i]);
    heap_.DropAll(nullptr);
    live_ = 0;
    EXPECT_EQ(heap_.region_bytes(), 0U);
    EXPECT_EQ(heap_.free_bytes(), 0U);
    EXPECT_EQ(runs_.live_bytes(), 0U);
    EXPECT_NE(heap_.key(), key);
    EXPECT_TRUE(IsSound());
  }
}

TEST_F(BlockHeapTest, TheCheckNamesARegionOfAnother) {
  Slice* region = runs_.Find(Allocate(100));
  size_t bytes = 0;
  size_t blocks = 0;
  BrokenInvariant broken;
  region->owner = &runs_;
  EXPECT_FALSE(heap_.Check(&bytes, &blocks, &broken));
  EXPECT_STREQ(broken.what, "region of another owner");
  EXPECT_EQ(broken.where, runs_.AddressOf(region));
  region->owner = this;
  region->kind = RunKind::kSubHeapRegion;
  EXPECT_FALSE(heap_.Check(&bytes, &blocks, &broken));
  EXPECT_STREQ(broken.what, "region of another owner");
  region->kind = RunKind::kRegion;
}

}  // namespace
}  // namespace myonly::internal
