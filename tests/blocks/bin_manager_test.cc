// The bin manager: splitting, coalescing, searching, resizing.
// What it does when tags are overwritten is in bin_manager_damage_test.cc.
#include "allocator/blocks/bin_manager.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/blocks/bin_index.h"
#include "allocator/blocks/block.h"
#include "gtest/gtest.h"
#include "tests/blocks/test_region.h"

namespace myonly::internal {
namespace {

constexpr size_t kRegionBytes = 256 * 1024;

// `sizes` one after the other from the region's start; the rest stays free.
std::vector<Block*> AllocateRow(OneRegion& heap,
                                const std::vector<size_t>& sizes) {
  std::vector<Block*> row;
  for (size_t bytes : sizes) row.push_back(heap.bins.Allocate(bytes));
  return row;
}

// --- Regions. ---

TEST(BinManagerTest, ARegionIsOneFreeBlockAndASentinel) {
  for (size_t bytes : {size_t{48}, size_t{64}, size_t{32} << 10,
                       size_t{2} << 20, size_t{4} << 20}) {
    OneRegion heap(bytes);
    const BoundaryTag first = heap.region->first()->Read();
    EXPECT_EQ(first.size, bytes - BinManager::kRegionOverhead);
    EXPECT_EQ(first.previous_size, 0U);
    EXPECT_FALSE(first.used || first.previous_free || first.quick);
    const BoundaryTag sentinel = heap.region->sentinel()->Read();
    EXPECT_EQ(sentinel.size, 0U);
    EXPECT_EQ(sentinel.previous_size, first.size);
    EXPECT_TRUE(sentinel.used && sentinel.previous_free);
    EXPECT_FALSE(sentinel.quick);
    EXPECT_EQ(heap.bins.free_bytes(), first.size);
    EXPECT_TRUE(heap.Check(0)) << bytes;
  }
}

TEST(BinManagerTest, NoRegionNoBlock) {
  BinManager bins;
  EXPECT_EQ(bins.Allocate(32), nullptr);
  EXPECT_EQ(bins.AllocateAligned(32, 64), nullptr);
  EXPECT_EQ(bins.free_bytes(), 0U);
}

TEST(BinManagerTest, AWholeRegionCanBeTakenBack) {
  OneRegion heap(kRegionBytes);
  Block* whole = heap.Free(heap.bins.Allocate(64));
  ASSERT_EQ(whole, heap.region->first());
  heap.bins.RemoveRegion(whole);
  EXPECT_EQ(heap.bins.free_bytes(), 0U);
  EXPECT_EQ(heap.bins.Allocate(64), nullptr);
}

// Whether the block before the end is free or not, there is one region then.
TEST(BinManagerTest, ARegionGoesOnBehindItsEnd) {
  for (const bool is_full : {false, true}) {
    constexpr size_t kOpen = kRegionBytes / 8 + BinManager::kRegionOverhead;
    OneRegion heap(kRegionBytes);
    BinManager bins;
    bins.set_key(kTestKey);
    char* start = static_cast<char*>(heap.region->start());
    memset(start, 0, kRegionBytes);
    bins.AddRegion(start, kOpen);
    Block* first = bins.Allocate(64);
    ASSERT_NE(first, nullptr);
    if (is_full) {
      ASSERT_TRUE(bins.Resize(first, kOpen - BinManager::kRegionOverhead));
    }
    EXPECT_EQ(bins.Allocate(kOpen), nullptr);
    bins.ExtendRegion(start + kOpen, kRegionBytes - kOpen);
    EXPECT_EQ(bins.free_bytes(),
              kRegionBytes - BinManager::kRegionOverhead - first->size());
    Block* second = bins.Allocate(kOpen);
    ASSERT_NE(second, nullptr);
    size_t live_bytes = 0;
    size_t live_blocks = 0;
    BrokenInvariant broken;
    EXPECT_TRUE(bins.CheckRegion(start, &live_bytes, &live_blocks, &broken));
    EXPECT_TRUE(bins.CheckBins({kTestKey, &broken}));
    EXPECT_EQ(live_blocks, 2u);
    EXPECT_FALSE(heap.region->sentinel()->Read().quick);
    // What is free there is in lists as elsewhere.
    Block* row[5];
    for (Block*& block : row) block = bins.Allocate(512);
    EXPECT_EQ(bins.FreeAndCoalesce(row[1]), nullptr);
    EXPECT_EQ(bins.FreeAndCoalesce(row[3]), nullptr);
    for (const int i : {0, 2, 4}) bins.FreeAndCoalesce(row[i]);
    EXPECT_EQ(bins.FreeAndCoalesce(second), nullptr);
    EXPECT_EQ(bins.FreeAndCoalesce(first), heap.region->first());
    EXPECT_EQ(bins.free_bytes(), kRegionBytes - BinManager::kRegionOverhead);
  }
}

TEST(BinManagerTest, RegionsAreFilledTogether) {
  OneRegion heap(4096);
  TestRegion second(heap.bins, 8192);
  Block* large = heap.bins.Allocate(6000 / 16 * 16);
  ASSERT_NE(large, nullptr);
  EXPECT_TRUE(second.Has(large));
  Block* medium = heap.bins.Allocate(3008);
  ASSERT_NE(medium, nullptr);
  EXPECT_TRUE(heap.region->Has(medium));
  EXPECT_EQ(heap.Free(medium), heap.region->first());
  EXPECT_EQ(heap.Free(large), second.first());
  EXPECT_TRUE(second.Check(0));
}

// In whatever order they come their blocks are in the same lists.
TEST(BinManagerTest, RegionsLieBelowAndAboveEachOther) {
  constexpr size_t kBytes = 16384;
  OneRegion memory(4 * kBytes);
  char* start = static_cast<char*>(memory.region->start());
  for (const std::vector<size_t>& order :
       {std::vector<size_t>{0, 2}, {2, 0}, {1, 3, 0}, {3, 0, 2}}) {
    BinManager bins;
    bins.set_key(kTestKey);
    std::vector<Block*> blocks;
    for (const size_t at : order) {
      bins.AddRegion(start + at * kBytes, kBytes);
      for (int i = 0; i < 3; ++i) blocks.push_back(bins.Allocate(4112));
      while (bins.Allocate(Block::kMinBytes) != nullptr) {
      }
    }
    // Apart from each other, so that none is coalesced.
    const size_t before = bins.free_bytes();
    for (size_t i = 1; i < blocks.size(); i += 3) {
      EXPECT_EQ(bins.FreeAndCoalesce(blocks[i]), nullptr);
    }
    EXPECT_EQ(bins.free_bytes(), before + order.size() * 4112);
    for (size_t i = 0; i < order.size(); ++i) {
      EXPECT_NE(bins.Allocate(4112), nullptr);
    }
    EXPECT_EQ(bins.Allocate(4112), nullptr);
    BrokenInvariant broken;
    EXPECT_TRUE(bins.CheckBins({kTestKey, &broken}));
  }
}

TEST(BinManagerTest, ResetForgetsTheBlocksAndKeepsTheKey) {
  OneRegion heap(kRegionBytes);
  heap.Free(heap.bins.Allocate(64));
  heap.bins.Allocate(128);
  heap.bins.Reset();
  EXPECT_EQ(heap.bins.free_bytes(), 0U);
  EXPECT_EQ(heap.bins.Allocate(64), nullptr);
  EXPECT_EQ(heap.bins.key(), kTestKey);
}

// --- Split. ---

TEST(BinManagerTest, SplitsAtEverySize) {
  OneRegion heap(kRegionBytes);
  for (size_t bytes = Block::kMinBytes; bytes <= 80 * 1024; bytes += 16) {
    Block* block = heap.bins.Allocate(bytes);
    ASSERT_EQ(block, heap.region->first());
    const size_t size = block->size();
    ASSERT_GE(size, bytes);
    // Rounded by a sixteenth at most.
    ASSERT_LE(size, bytes + bytes / 16 + 16);
    const BoundaryTag rest = block->Next()->Read();
    ASSERT_FALSE(rest.used);
    ASSERT_EQ(rest.size, heap.region->block_bytes() - size);
    ASSERT_EQ(rest.previous_size, size);
    ASSERT_TRUE(heap.Check(1)) << bytes;
    ASSERT_EQ(heap.Free(block), heap.region->first());
    ASSERT_TRUE(heap.Check(0)) << bytes;
  }
}

TEST(BinManagerTest, ARestTooSmallForABlockStaysWithIt) {
  OneRegion heap(1024);
  // 16 bytes are left.
  Block* block = heap.bins.Allocate(heap.region->block_bytes() - 16);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->size(), heap.region->block_bytes());
  EXPECT_FALSE(heap.region->sentinel()->Read().previous_free);
  EXPECT_EQ(heap.bins.free_bytes(), 0U);
  EXPECT_TRUE(heap.Check(1));
  heap.Free(block);
  // 32 bytes are: the smallest block.
  block = heap.bins.Allocate(heap.region->block_bytes() - 32);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(heap.bins.free_bytes(), Block::kMinBytes);
  EXPECT_TRUE(heap.Check(1));
}

TEST(BinManagerTest, TheWholeRegionFits) {
  OneRegion heap(512);
  EXPECT_EQ(heap.bins.Allocate(heap.region->block_bytes() + 16), nullptr);
  Block* block = heap.bins.Allocate(heap.region->block_bytes());
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(heap.bins.Allocate(32), nullptr);
  EXPECT_EQ(heap.Free(block), block);
}

// --- Coalesce. ---

TEST(BinManagerTest, CoalescesInEveryOrderOfFrees) {
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    OneRegion heap(kRegionBytes);
    const std::vector<Block*> row = AllocateRow(heap, {64, 96, 48, 320});
    size_t live = row.size();
    for (size_t i : order) {
      Block* whole = heap.Free(row[i]);
      --live;
      ASSERT_EQ(whole, live == 0 ? heap.region->first() : nullptr);
      ASSERT_TRUE(heap.Check(live));
    }
    EXPECT_EQ(heap.region->Tags().size(), 1U);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(BinManagerTest, FreeWithoutFreeNeighboursStaysABlock) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {64, 96, 64});
  heap.Free(row[1]);
  EXPECT_EQ(row[1]->Read().size, 96U);
  EXPECT_FALSE(row[1]->Read().used);
  EXPECT_TRUE(row[2]->Read().previous_free);
  EXPECT_TRUE(row[0]->Read().used);
}

TEST(BinManagerTest, FreeCoalescesWithThePreviousBlock) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {64, 96, 64});
  heap.Free(row[0]);
  heap.Free(row[1]);
  EXPECT_EQ(row[0]->Read().size, 160U);
  EXPECT_EQ(row[2]->Read().previous_size, 160U);
  // The swallowed tag is no live block's.
  EXPECT_EQ(heap.bins.LiveTag(row[1]->payload()), 0U);
}

TEST(BinManagerTest, FreeCoalescesWithTheNextBlock) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {64, 96, 48, 64});
  heap.Free(row[2]);
  heap.Free(row[1]);
  EXPECT_EQ(row[1]->Read().size, 144U);
  EXPECT_EQ(row[3]->Read().previous_size, 144U);
  EXPECT_EQ(heap.bins.LiveTag(row[2]->payload()), 0U);
}

TEST(BinManagerTest, FreeCoalescesWithBothNeighbours) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {64, 96, 48, 64});
  heap.Free(row[0]);
  heap.Free(row[2]);
  heap.Free(row[1]);
  EXPECT_EQ(row[0]->Read().size, 208U);
  EXPECT_EQ(row[3]->Read().previous_size, 208U);
  EXPECT_TRUE(row[3]->Read().previous_free);
  EXPECT_TRUE(heap.Check(1));
}

// --- Search. ---

// One free block of each of `sizes`, kept apart by blocks in use.
std::vector<Block*> FreeBlocks(OneRegion& heap,
                               const std::vector<size_t>& sizes) {
  std::vector<Block*> blocks;
  for (size_t bytes : sizes) {
    blocks.push_back(heap.bins.Allocate(bytes));
    heap.bins.Allocate(32);
  }
  for (Block* block : blocks) heap.Free(block);
  return blocks;
}

// Everything that is free and not in `free` becomes used.
void UseTheRest(OneRegion& heap, const std::vector<Block*>& free) {
  size_t bytes = heap.bins.free_bytes();
  for (Block* block : free) bytes -= block->size();
  ASSERT_NE(heap.bins.Allocate(bytes), nullptr);
}

// Where there is no larger rest to cut from.
TEST(BinManagerTest, TakesTheSmallestBlockThatFits) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> free =
      FreeBlocks(heap, {8192 + 16, 128, 2048 + 16, 512, 4096 + 16});
  UseTheRest(heap, free);
  EXPECT_EQ(heap.bins.Allocate(512), free[3]);
  EXPECT_EQ(heap.bins.Allocate(1024), free[2]);
  EXPECT_EQ(heap.bins.Allocate(128), free[1]);
  EXPECT_EQ(heap.bins.Allocate(4096 + 16), free[4]);
  EXPECT_EQ(heap.bins.Allocate(4096 + 16), free[0]);
}

// --- The victim. ---

TEST(BinManagerTest, BlocksAreCutOffOneRestOneAfterTheOther) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> free = FreeBlocks(heap, {8192 + 16, 512});
  char* next = nullptr;
  for (size_t bytes : {1040, 64, 4112, 2064}) {
    Block* block = heap.bins.Allocate(bytes);
    if (next != nullptr) {
      EXPECT_EQ(reinterpret_cast<char*>(block), next);
    }
    next = reinterpret_cast<char*>(block) + bytes;
  }
  // A block of the very size comes first.
  EXPECT_EQ(heap.bins.Allocate(512), free[1]);
  EXPECT_TRUE(heap.Check(7));
}

TEST(BinManagerTest, WhatIsFreedBesideTheVictimJoinsIt) {
  OneRegion heap(kRegionBytes);
  const size_t all = heap.bins.free_bytes();
  const std::vector<Block*> row = AllocateRow(heap, {1040, 64, 4112});
  EXPECT_EQ(heap.Free(row[2]), nullptr);
  EXPECT_EQ(heap.bins.Allocate(2064), row[2]);
  heap.Free(row[0]);
  EXPECT_TRUE(heap.Check(2));
  heap.Free(row[1]);
  EXPECT_EQ(heap.Free(row[2]), heap.region->first());
  EXPECT_EQ(heap.bins.free_bytes(), all);
  EXPECT_TRUE(heap.Check(0));
}

// The largest rest is the one to cut from.
TEST(BinManagerTest, ALargerRestTakesTheVictimsPlace) {
  OneRegion heap(8192);
  ASSERT_NE(heap.bins.Allocate(4096), nullptr);
  TestRegion larger(heap.bins, 65536);
  ASSERT_NE(heap.bins.Allocate(16384), nullptr);
  EXPECT_TRUE(larger.Has(heap.bins.Allocate(2064)));
  EXPECT_TRUE(heap.Check(1));
  EXPECT_TRUE(larger.Check(2));
}

TEST(BinManagerTest, AnExactFitIsFoundInItsOwnBin) {
  for (size_t bytes = 32; bytes <= 1024; bytes += 16) {
    OneRegion heap(kRegionBytes);
    const std::vector<Block*> free = FreeBlocks(heap, {bytes, 4096 + 16});
    EXPECT_EQ(heap.bins.Allocate(bytes), free[0]) << bytes;
  }
}

TEST(BinManagerTest, ABlockOfTheRightBinMayBeTooSmall) {
  ASSERT_EQ(BinIndex(960), BinIndex(1008));
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> free = FreeBlocks(heap, {960, 1008, 2048 + 16});
  UseTheRest(heap, free);
  EXPECT_EQ(heap.bins.Allocate(1008), free[1]);
  Block* block = heap.bins.Allocate(1008);
  EXPECT_EQ(block, free[2]);
  EXPECT_GE(block->size(), 1008U);
}

// The rest that blocks are cut off is looked at, too, when its bin has others.
TEST(BinManagerTest, TheVictimServesWhereItsBinHasNoLargerBlock) {
  OneRegion heap(kRegionBytes);
  FreeBlocks(heap, {960});
  const size_t rest = heap.bins.free_bytes() - 960;
  Block* most = heap.bins.Allocate(rest - 1008);
  ASSERT_NE(most, nullptr);
  EXPECT_EQ(heap.bins.Allocate(1008), most->Next());
  EXPECT_EQ(heap.bins.free_bytes(), 960U);
}

// The last one that was freed comes first; of the others three are looked at.
TEST(BinManagerTest, FourBlocksOfABinAreLookedAt) {
  for (const size_t too_small : {3, 4}) {
    OneRegion heap(kRegionBytes);
    std::vector<size_t> sizes = {2048 + 16, 1008};
    sizes.insert(sizes.end(), too_small, 960);
    const std::vector<Block*> free = FreeBlocks(heap, sizes);
    UseTheRest(heap, free);
    EXPECT_EQ(heap.bins.Allocate(1008), free[too_small == 3 ? 1 : 0]);
  }
}

TEST(BinManagerTest, ManyBlocksThatAreTooSmallHideNoLargerBin) {
  OneRegion heap(kRegionBytes);
  FreeBlocks(heap, std::vector<size_t>(20, 960));
  // The rest of the region is the only block that fits.
  Block* block = heap.bins.Allocate(1008);
  ASSERT_NE(block, nullptr);
  EXPECT_GE(block->size(), 1008U);
}

// --- What is purged inside free blocks. ---

class PurgeRegionTest : public ::testing::Test {
 protected:
  // The sizes of the blocks that one walk purges.
  std::vector<size_t> Walk(size_t least, bool at_once) {
    std::vector<size_t> purged;
    size_t keep_bytes = 0;
    blocks_ = heap_.bins.PurgeRegion(
        heap_.region->start(), least, at_once, &keep_bytes,
        [&](char* start, size_t bytes) {
          EXPECT_TRUE(heap_.region->Has(start + bytes - 1));
          memset(start, 0, bytes);
          purged.push_back(bytes + sizeof(Block));
        });
    std::sort(purged.begin(), purged.end());
    return purged;
  }

  OneRegion heap_{kRegionBytes};
  size_t blocks_ = 0;
};

TEST_F(PurgeRegionTest, OnceAndOnlyWhatTheWalkBeforeFoundToo) {
  FreeBlocks(heap_, {64, 1040, 16384 + 16});
  const size_t rest = heap_.bins.free_bytes() - 64 - 1040 - 16400;
  EXPECT_EQ(Walk(1024, false), std::vector<size_t>());
  EXPECT_EQ(blocks_, heap_.region->Tags().size() + 1);
  EXPECT_EQ(Walk(1024, false), (std::vector<size_t>{1040, 16400, rest}));
  EXPECT_EQ(Walk(1024, false), std::vector<size_t>());
  EXPECT_EQ(Walk(1024, true), std::vector<size_t>());
  EXPECT_TRUE(heap_.Check(3));
}

TEST_F(PurgeRegionTest, WhatWasUsedBetweenIsLikeNew) {
  FreeBlocks(heap_, {16384 + 16});
  Walk(1024, false);
  Block* block = heap_.bins.Allocate(16384 + 16);
  ASSERT_NE(block, nullptr);
  heap_.Free(block);
  const std::vector<size_t> purged = Walk(1024, false);
  EXPECT_EQ(std::count(purged.begin(), purged.end(), 16400), 0);
  EXPECT_EQ(Walk(1024, false).size(), 1U);
  EXPECT_TRUE(heap_.Check(1));
}

TEST_F(PurgeRegionTest, AtOnceDoesNotWait) {
  FreeBlocks(heap_, {16384 + 16});
  EXPECT_EQ(Walk(16384 + 32, true).size(), 1U);
  EXPECT_EQ(Walk(16384 + 16, true).size(), 1U);
  EXPECT_TRUE(heap_.Check(1));
}

// A purged block that is joined with another, cut or resized into is no
// different from any other.
TEST_F(PurgeRegionTest, PurgedBlocksServe) {
  const std::vector<Block*> row = AllocateRow(heap_, {8192, 8192, 8192, 64});
  heap_.Free(row[1]);
  Walk(1024, true);
  heap_.Free(row[0]);
  EXPECT_TRUE(heap_.Check(2));
  Walk(1024, true);
  Block* cut = heap_.bins.Allocate(1024);
  ASSERT_NE(cut, nullptr);
  EXPECT_TRUE(heap_.bins.Resize(cut, 4096));
  EXPECT_TRUE(heap_.Check(3));
}

// --- Alignment. ---

TEST(BinManagerTest, EveryAlignmentAndSize) {
  OneRegion heap(size_t{1} << 20);
  for (size_t alignment = 1; alignment <= TestRegion::kAlignment;
       alignment *= 2) {
    for (size_t request : {0, 1, 24, 100, 1000, 5000, 60000}) {
      // Something before it, so that the leading part varies.
      Block* before = heap.bins.Allocate(Block::BytesFor(request / 3));
      Block* block =
          heap.bins.AllocateAligned(Block::BytesFor(request), alignment);
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block->payload()) % alignment, 0U);
      EXPECT_GE(block->usable_bytes(), request);
      EXPECT_LE(block->size(), Block::BytesFor(request) * 17 / 16 + 32);
      ASSERT_TRUE(heap.Check(2)) << alignment << " " << request;
      EXPECT_EQ(heap.Free(before), nullptr);
      EXPECT_EQ(heap.Free(block), heap.region->first());
    }
  }
}

// Payloads are at multiples of 16 in any case.
TEST(BinManagerTest, SmallAlignmentsNeedNoMoreThanTheBlock) {
  for (size_t alignment = 1; alignment <= kMinAlignment; alignment *= 2) {
    OneRegion heap(512);
    const size_t all = heap.region->block_bytes();
    EXPECT_NE(heap.bins.AllocateAligned(all, alignment), nullptr);
  }
}

TEST(BinManagerTest, WhatIsCutOffForAnAlignmentIsFree) {
  OneRegion heap(kRegionBytes);
  Block* block = heap.bins.AllocateAligned(256, 32 * 1024);
  EXPECT_EQ(heap.bins.free_bytes() + block->size(), heap.region->block_bytes());
  Block* lead = heap.bins.Allocate(16 * 1024);
  EXPECT_LT(lead, block);
  EXPECT_TRUE(heap.Check(2));
}

// The smallest block is enough of a leading part.
TEST(BinManagerTest, AnAlignedBlockBeginsAtTheFirstPlaceThatLeavesABlock) {
  constexpr size_t kAlignment = 64;
  for (size_t before = Block::kMinBytes; before < 256; before += 16) {
    OneRegion heap(kRegionBytes);
    Block* rest = heap.bins.Allocate(before)->Next();
    const auto payload = reinterpret_cast<uintptr_t>(rest->payload());
    Block* block = heap.bins.AllocateAligned(kAlignment, kAlignment);
    const size_t lead = static_cast<size_t>(reinterpret_cast<char*>(block) -
                                            reinterpret_cast<char*>(rest));
    EXPECT_EQ((payload + lead) % kAlignment, 0U);
    EXPECT_TRUE(lead == 0 || lead >= Block::kMinBytes) << lead;
    EXPECT_LT(lead, kAlignment + Block::kMinBytes);
    EXPECT_TRUE(heap.Check(2));
  }
}

// --- Resize. ---

TEST(BinManagerTest, ResizeShrinksToEverySize) {
  for (size_t bytes = 32; bytes <= 4096; bytes += 16) {
    OneRegion heap(kRegionBytes);
    const std::vector<Block*> row = AllocateRow(heap, {4096 + 16, 64});
    ASSERT_TRUE(heap.bins.Resize(row[0], bytes));
    EXPECT_GE(row[0]->size(), bytes);
    // No more than an eighth, or 64 bytes, is left unused.
    EXPECT_LT(row[0]->size() - bytes, 4112U / 8 + 64);
    ASSERT_TRUE(heap.Check(2)) << bytes;
  }
}

// Nor is what is not worth a block of its own: it stays, for who grows again.
TEST(BinManagerTest, ResizeSplitsOffAnEighthAndSixtyFourBytesOrNothing) {
  for (const size_t before : {96, 128, 512, 528, 1024, 4112}) {
    for (size_t bytes = Block::kMinBytes; bytes <= before; bytes += 16) {
      OneRegion heap(kRegionBytes);
      const std::vector<Block*> row = AllocateRow(heap, {before, 64});
      ASSERT_EQ(row[0]->size(), before);
      ASSERT_TRUE(heap.bins.Resize(row[0], bytes));
      const size_t saved = before - bytes;
      const bool splits = saved >= 64 && saved >= before / 8;
      ASSERT_EQ(row[0]->size(), splits ? bytes : before)
          << before << " to " << bytes;
    }
  }
}

TEST(BinManagerTest, WhatAShrunkenBlockGivesUpCoalesces) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {2048 + 16, 512, 64});
  heap.Free(row[1]);
  ASSERT_TRUE(heap.bins.Resize(row[0], 1024));
  EXPECT_EQ(row[0]->size(), 1024U);
  EXPECT_EQ(row[0]->Next()->size(), 2064 - 1024 + 512U);
  EXPECT_EQ(row[0]->Next()->Next(), row[2]);
  EXPECT_TRUE(heap.Check(2));
}

// By a sixteenth more than was asked for, or by all that is there; nor does it
// leave what is too small for a block.
TEST(BinManagerTest, ResizeGrowsIntoTheFreeNextBlock) {
  for (const size_t next : {size_t{32}, size_t{64}, size_t{512}}) {
    const size_t most = 64 + next;
    for (size_t bytes = 80; bytes <= most; bytes += 16) {
      OneRegion heap(kRegionBytes);
      const std::vector<Block*> row = AllocateRow(heap, {64, next, 64});
      heap.Free(row[1]);
      ASSERT_TRUE(heap.bins.Resize(row[0], bytes)) << bytes;
      const size_t more = (bytes + bytes / 16 + 15) / 16 * 16;
      ASSERT_EQ(row[0]->size(), more + Block::kMinBytes <= most ? more : most)
          << bytes << " of " << most;
      ASSERT_TRUE(heap.Check(2)) << bytes;
    }
  }
}

TEST(BinManagerTest, ResizeRefusesWhatDoesNotFitAndChangesNothing) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {64, 512, 64, 128});
  const uint64_t tag = row[0]->Load();
  EXPECT_FALSE(heap.bins.Resize(row[0], 80));
  heap.Free(row[1]);
  EXPECT_FALSE(heap.bins.Resize(row[0], 64 + 512 + 16));
  EXPECT_EQ(row[0]->Load(), tag);
  EXPECT_TRUE(heap.Check(3));
}

TEST(BinManagerTest, ResizeDoesNotTakeABlockOfAQuickList) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = AllocateRow(heap, {64, 512, 64});
  ASSERT_TRUE(heap.FreeQuick(row[1]));
  EXPECT_FALSE(heap.bins.Resize(row[0], 128));
  EXPECT_TRUE(heap.Check(2));
}

}  // namespace
}  // namespace myonly::internal
