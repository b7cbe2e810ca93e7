#include "allocator/guard/guarded_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kSlots = 8;

class GuardedPoolTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(pool_.Open(kSlots, 7)); }

  char* Allocate(size_t size, size_t alignment = 16) {
    char* block = pool_.Allocate(size, alignment, who_);
    if (block != nullptr) memset(block, 'x', size);
    return block;
  }
  // What is wrong; "": nothing.
  std::string Free(void* ptr) {
    const char* wrong = pool_.Free(ptr, who_);
    return wrong == nullptr ? "" : wrong;
  }
  size_t LiveBlocks() {
    GuardedBlock block;
    size_t count = 0;
    for (size_t slot = 0; pool_.NextLive(&slot, &block); ++slot) ++count;
    return count;
  }

  FakePageSource pages_;
  GuardedPool pool_{pages_};
  GuardedTrace who_ = {1, 1, {this}};
};

TEST_F(GuardedPoolTest, BlocksOfAllSizesAndAlignments) {
  for (size_t size : {0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 30000, 65536}) {
    for (size_t alignment = 1; alignment <= kPageSize; alignment *= 2) {
      ASSERT_TRUE(GuardedPool::Serves(size, alignment));
      char* block = Allocate(size, alignment);
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % Max(alignment, 16), 0U);
      EXPECT_TRUE(pool_.Has(block));
      size_t bytes = ~size_t{0};
      EXPECT_EQ(pool_.Find(block, &bytes), nullptr);
      EXPECT_EQ(bytes, size);
      EXPECT_EQ(Free(block), "");
    }
  }
  EXPECT_FALSE(GuardedPool::Serves(65537, 16));
  EXPECT_FALSE(GuardedPool::Serves(1, 8192));
}

TEST_F(GuardedPoolTest, ASlotIsUsedAgainAsLateAsPossible) {
  std::vector<char*> blocks;
  for (size_t i = 0; i < kSlots; ++i) blocks.push_back(Allocate(100));
  EXPECT_EQ(std::set<char*>(blocks.begin(), blocks.end()).size(), kSlots);
  EXPECT_TRUE(pool_.IsFull());
  EXPECT_EQ(Allocate(100), nullptr);
  for (size_t i : {3, 1, 5}) EXPECT_EQ(Free(blocks[i]), "");
  EXPECT_FALSE(pool_.IsFull());
  for (size_t i : {3, 1, 5}) {
    const auto distance = Allocate(200) - blocks[i];
    EXPECT_LT(distance < 0 ? -distance : distance, 65536);
  }
  EXPECT_TRUE(pool_.IsFull());
}

TEST_F(GuardedPoolTest, TellsWhatIsWrongAndChangesNothing) {
  char* block = Allocate(100);
  EXPECT_EQ(Free(block + 16), "free of an address inside a block");
  const char behind = block[100];
  block[100] = 0;
  EXPECT_EQ(Free(block), "write behind the end of a block");
  block[100] = behind;
  EXPECT_EQ(Free(block), "");
  EXPECT_EQ(Free(block), "double free");
  EXPECT_EQ(Free(block + 16), "free of an address inside a block");
  EXPECT_EQ(Free(block + 2 * GuardedPool::kStride),
            "free of a foreign address");
  EXPECT_EQ(pool_.figures().frees, 1U);
}

TEST_F(GuardedPoolTest, KnowsWhoseAddressItIs) {
  char* first = Allocate(100);
  char* second = Allocate(100);
  GuardedBlock block;
  for (char* ptr : {first, first + 99, first + 112}) {
    ASSERT_TRUE(pool_.BlockAt(ptr, &block));
    EXPECT_EQ(block.start, first);
    EXPECT_TRUE(block.is_live);
    EXPECT_EQ(block.allocated.frames[0], this);
  }
  // Slots are 16 pages, with a page before each.
  char* slot = reinterpret_cast<char*>(
      AlignDown(reinterpret_cast<uintptr_t>(second), kPageSize));
  while (pool_.BlockAt(slot - 1, &block) && block.start == second) --slot;
  ASSERT_TRUE(pool_.BlockAt(slot - 1, &block));
  EXPECT_EQ(block.start, first);
  EXPECT_EQ(Free(first), "");
  ASSERT_TRUE(pool_.BlockAt(first, &block));
  EXPECT_FALSE(block.is_live);
  EXPECT_FALSE(pool_.BlockAt(second + 2 * GuardedPool::kStride, &block));
  EXPECT_EQ(LiveBlocks(), 1U);
}

TEST_F(GuardedPoolTest, Counts) {
  char* block = Allocate(5000);
  Allocate(10);
  EXPECT_EQ(Free(block), "");
  const GuardedPool::Figures figures = pool_.figures();
  EXPECT_EQ(figures.allocations, 2U);
  EXPECT_EQ(figures.frees, 1U);
  EXPECT_EQ(figures.live_bytes, 10U);
  EXPECT_EQ(figures.page_bytes, kPageSize);
  EXPECT_EQ(figures.peak_live_bytes, 5010U);
}

TEST(GuardedPoolFailureTest, WhatTheSystemRefuses) {
  for (int64_t n = 0;; ++n) {
    FakePageSource pages;
    GuardedPool pool(pages);
    GuardedTrace who = {};
    pages.FailCall(n);
    if (!pool.Open(kSlots, 1)) {
      EXPECT_EQ(pages.reserved_bytes(), 0U);
      EXPECT_FALSE(pool.Has(&pages));
      EXPECT_TRUE(pool.Open(kSlots, 1));
    }
    std::vector<char*> blocks;
    for (size_t i = 0; i < 2 * kSlots; ++i) {
      char* block = pool.Allocate(100, 16, who);
      if (block != nullptr) blocks.push_back(block);
    }
    EXPECT_EQ(blocks.size(), kSlots);
    for (char* block : blocks) EXPECT_EQ(pool.Free(block, who), nullptr);
    pages.StopFailing();
    if (!pages.TakeFailed()) break;
  }
}

// Pages that are locked in memory keep what was written to them.
TEST(GuardedPoolFailureTest, WhatAProgramHasLockedIsCleared) {
  MmapPageSource pages;
  GuardedPool pool(pages);
  GuardedTrace who = {};
  ASSERT_TRUE(pool.Open(2, 1));
  for (int i = 0; i < 100; ++i) {
    for (size_t size : {3000, 50, 4096, 1}) {
      char* block = pool.Allocate(size, 16, who);
      ASSERT_NE(block, nullptr) << i;
      if (mlock(block, size) != 0) GTEST_SKIP() << "no memory may be locked";
      EXPECT_EQ(std::count(block, block + size, 0), static_cast<int>(size));
      memset(block, 'x', size);
      EXPECT_EQ(pool.Free(block, who), nullptr) << i << " " << size;
    }
  }
}

TEST(GuardedPoolFailureTest, FewAddresses) {
  FakePageSource pages(size_t{16} * 3 * GuardedPool::kStride);
  GuardedPool pool(pages);
  GuardedTrace who = {};
  ASSERT_TRUE(pool.Open(kSlots, 1));
  for (size_t i = 0; i < 3; ++i) EXPECT_NE(pool.Allocate(1, 1, who), nullptr);
  EXPECT_EQ(pool.Allocate(1, 1, who), nullptr);
  FakePageSource none(size_t{1} << 16);
  GuardedPool empty(none);
  EXPECT_FALSE(empty.Open(kSlots, 1));
}

}  // namespace
}  // namespace myonly::internal
