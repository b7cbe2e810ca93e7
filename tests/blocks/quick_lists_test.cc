// Quick lists over a bin manager: blocks come back as they went, and all of
// them are coalesced in the end.
#include "allocator/blocks/quick_lists.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocator/blocks/bin_index.h"
#include "allocator/blocks/block.h"
#include "gtest/gtest.h"
#include "tests/blocks/test_region.h"

namespace myonly::internal {
namespace {

constexpr size_t kRegionBytes = 256 * 1024;

TEST(QuickListsTest, AQuickBlockComesBackFirst) {
  OneRegion heap(kRegionBytes);
  const std::vector<Block*> row = {heap.Allocate(64), heap.Allocate(64),
                                   heap.Allocate(64), heap.Allocate(96)};
  ASSERT_TRUE(heap.FreeQuick(row[0]));
  ASSERT_TRUE(heap.FreeQuick(row[2]));
  EXPECT_EQ(heap.quick.bytes(), 128U);
  EXPECT_TRUE(row[0]->Read().used && row[0]->Read().quick);
  EXPECT_EQ(heap.bins.LiveTag(row[0]->payload()), 0U);
  EXPECT_TRUE(heap.Check(2));
  EXPECT_EQ(heap.Allocate(64), row[2]);
  EXPECT_EQ(heap.quick.TakeFor(64, kMinAlignment, &heap), row[0]->payload());
  EXPECT_EQ(heap.quick.TakeFor(64, kMinAlignment, &heap), nullptr);
  EXPECT_NE(heap.bins.LiveTag(row[0]->payload()), 0U);
  EXPECT_TRUE(heap.Check(4));
}

TEST(QuickListsTest, QuickListsStopAtTheirLimit) {
  OneRegion heap(kRegionBytes);
  heap.quick.set_limit_bytes(200);
  const std::vector<Block*> row = {heap.Allocate(96), heap.Allocate(96),
                                   heap.Allocate(96)};
  EXPECT_TRUE(heap.FreeQuick(row[0]));
  EXPECT_TRUE(heap.FreeQuick(row[1]));
  EXPECT_FALSE(heap.FreeQuick(row[2]));
  // Nothing was done to it.
  EXPECT_NE(heap.bins.LiveTag(row[2]->payload()), 0U);
  EXPECT_EQ(heap.quick.bytes(), 192U);
  EXPECT_TRUE(heap.Check(1));
}

// No request is served by them, but a block that was made larger comes there.
TEST(QuickListsTest, BlocksAboveTheLargestQuickSizeWaitToo) {
  OneRegion heap(kRegionBytes);
  Block* above = heap.Allocate(kMaxQuickBytes + 16);
  EXPECT_TRUE(heap.FreeQuick(above));
  EXPECT_EQ(heap.bins.LiveTag(above->payload()), 0U);
  EXPECT_EQ(heap.quick.bytes(), kMaxQuickBytes + 16);
  EXPECT_EQ(heap.quick.TakeFor(kMaxQuickBytes + 16, kMinAlignment, &heap),
            nullptr);
  heap.Flush();
  EXPECT_EQ(heap.quick.bytes(), 0U);
  EXPECT_TRUE(heap.Check(0));
}

TEST(QuickListsTest, QuickBlocksAreNeverTooSmall) {
  OneRegion heap(size_t{2} << 20);
  // What a request of 64 KiB needs is the largest that must be quick.
  for (size_t bytes = 32; bytes <= Block::BytesFor(64 * 1024); bytes += 16) {
    Block* block = heap.Allocate(bytes);
    ASSERT_NE(block, nullptr);
    ASSERT_TRUE(heap.FreeQuick(block)) << bytes;
    ASSERT_EQ(heap.Allocate(bytes), block) << bytes;
    // One more, of a size that this list may serve as well.
    ASSERT_TRUE(heap.FreeQuick(block));
    Block* larger = heap.Allocate(bytes + 16);
    ASSERT_NE(larger, nullptr);
    ASSERT_GE(larger->size(), bytes + 16);
    heap.Free(larger);
    while (heap.Flush() != nullptr) {
    }
  }
}

// The next list of 32 to the power of two.
TEST(QuickListsTest, ALargerBlockServesIfItIsNotMuchLarger) {
  for (const size_t larger : {0, 112, 128, 144, 256, 512}) {
    OneRegion heap(size_t{1} << 20);
    Block* block = heap.bins.Allocate(4096 + 16 + larger);
    ASSERT_TRUE(heap.FreeQuick(block));
    EXPECT_EQ(heap.quick.TakeFor(4096 + 16, kMinAlignment, &heap) != nullptr,
              larger <= 128)
        << larger;
  }
}

TEST(QuickListsTest, ABlockThatIsAlignedByChanceServes) {
  OneRegion heap(size_t{1} << 20);
  for (const size_t alignment : {32, 64, 512, 4096}) {
    Block* block = heap.bins.AllocateAligned(5000, alignment);
    ASSERT_TRUE(heap.FreeQuick(block));
    EXPECT_EQ(heap.quick.TakeFor(5000, alignment, &heap), block->payload());
    // The same list, but not the place.
    Block* other = heap.bins.AllocateAligned(5000, 8192);
    Block* next = heap.bins.Allocate(5000);
    const auto place = reinterpret_cast<uintptr_t>(next->payload());
    ASSERT_TRUE(heap.FreeQuick(next));
    void* taken = heap.quick.TakeFor(5000, alignment, &heap);
    EXPECT_EQ(taken != nullptr, place % alignment == 0) << alignment;
    if (taken == nullptr) taken = heap.quick.TakeFor(5000, 16, &heap);
    heap.Free(Block::FromPayload(taken));
    heap.Free(other);
    heap.Free(block);
  }
}

// Those that it was told of, and those that it was not: the lists of some are
// found empty while their blocks are in use.
TEST(QuickListsTest, FlushingFindsBlocksThatWereInUseWhenTheirListWasLookedAt) {
  OneRegion heap(size_t{2} << 20);
  heap.quick.set_limit_bytes(size_t{2} << 20);
  for (int round = 0; round < 3; ++round) {
    std::vector<Block*> blocks;
    for (size_t i = 1; i < 60; ++i) {
      blocks.push_back(heap.Allocate(Block::BytesFor(i * 500)));
      if (i % 3 != 0) heap.quick.NoteNew(blocks.back()->size());
    }
    for (size_t i = 0; i < blocks.size(); i += 2) {
      ASSERT_TRUE(heap.FreeQuick(blocks[i]));
    }
    while (heap.Flush() != nullptr) {
    }
    EXPECT_EQ(heap.quick.bytes(), 0U);
    for (size_t i = 1; i < blocks.size(); i += 2) {
      ASSERT_TRUE(heap.FreeQuick(blocks[i]));
    }
    EXPECT_EQ(heap.Flush(), heap.region->first());
    EXPECT_EQ(heap.quick.bytes(), 0U);
    EXPECT_TRUE(heap.Check(0));
  }
}

// Its tag lies in a free block, and the tag behind it, which does so too, has
// its size.
TEST(QuickListsTest, ABlockBetweenTwoThatItWasCoalescedWithIsNotLive) {
  for (const int first : {0, 2}) {
    OneRegion heap(size_t{1} << 20);
    Block* blocks[] = {heap.bins.Allocate(3008), heap.bins.Allocate(3008),
                       heap.bins.Allocate(3008), heap.bins.Allocate(3008)};
    heap.Free(blocks[first]);
    heap.Free(blocks[2 - first]);
    heap.Free(blocks[1]);
    EXPECT_FALSE(heap.quick.FreeIfLive(blocks[1]->payload(), kTestKey, &heap));
    EXPECT_TRUE(heap.Check(1));
  }
}

TEST(QuickListsTest, FlushingLosesNoBlock) {
  OneRegion heap(size_t{1} << 20);
  heap.quick.set_limit_bytes(size_t{1} << 20);
  std::vector<Block*> blocks;
  for (size_t i = 0; i < 500; ++i) {
    blocks.push_back(heap.Allocate(Block::BytesFor(i * 7)));
  }
  for (Block* block : blocks) ASSERT_TRUE(heap.FreeQuick(block));
  ASSERT_TRUE(heap.Check(0));
  EXPECT_EQ(heap.bins.free_bytes() + heap.quick.bytes(),
            heap.region->block_bytes());
  EXPECT_EQ(heap.Flush(), heap.region->first());
  EXPECT_EQ(heap.quick.bytes(), 0U);
  EXPECT_EQ(heap.Flush(), nullptr);
  EXPECT_EQ(heap.region->Tags().size(), 1U);
  EXPECT_EQ(heap.bins.free_bytes(), heap.region->block_bytes());
  EXPECT_TRUE(heap.Check(0));
}

TEST(QuickListsTest, FlushingStopsAtEachWholeRegion) {
  OneRegion heap(8192);
  TestRegion second(heap.bins, 8192);
  Block* a = heap.Allocate(4096 + 16);
  Block* b = heap.Allocate(4096 + 16);
  ASSERT_TRUE(a != nullptr && b != nullptr);
  ASSERT_TRUE(heap.FreeQuick(a) && heap.FreeQuick(b));
  std::vector<Block*> whole;
  while (Block* block = heap.Flush()) whole.push_back(block);
  std::sort(whole.begin(), whole.end());
  std::vector<Block*> expected = {heap.region->first(), second.first()};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(whole, expected);
}

TEST(QuickListsTest, ResetForgetsTheBlocksAndKeepsTheLimit) {
  OneRegion heap(kRegionBytes);
  ASSERT_TRUE(heap.FreeQuick(heap.Allocate(64)));
  heap.quick.set_limit_bytes(12345);
  heap.quick.Reset();
  EXPECT_EQ(heap.quick.bytes(), 0U);
  EXPECT_EQ(heap.quick.TakeFor(64, kMinAlignment, &heap), nullptr);
  EXPECT_EQ(heap.quick.limit_bytes(), 12345U);
}

// Lists in turn, each to its end, and from the first one again. Whether they
// are told of new blocks or not.
TEST(QuickListsTest, TheOldestAreThoseOfTheNextList) {
  for (const bool are_told : {false, true}) {
    OneRegion heap(kRegionBytes);
    const auto free = [&heap, are_told](size_t bytes) {
      Block* block = heap.bins.Allocate(bytes);
      if (are_told) heap.quick.NoteNew(bytes);
      ASSERT_TRUE(heap.FreeQuick(block));
    };
    const auto oldest = [&heap] {
      Block* block = heap.quick.TakeOldest(kTestKey, &heap);
      const size_t bytes = block->size();
      heap.bins.FreeAndCoalesce(block);
      return bytes;
    };
    for (const size_t bytes : {64, 96, 2064, 64, 30736, 96}) free(bytes);
    EXPECT_EQ(oldest(), 64U);
    EXPECT_EQ(oldest(), 64U);
    EXPECT_EQ(oldest(), 96U);
    free(64);
    free(96);
    EXPECT_EQ(oldest(), 96U);
    EXPECT_EQ(oldest(), 96U);
    EXPECT_EQ(oldest(), 2064U);
    EXPECT_EQ(oldest(), 30736U);
    EXPECT_EQ(oldest(), 64U);
    EXPECT_EQ(heap.quick.bytes(), 0U);
  }
}

TEST(QuickListsTest, AtFirstTheyHold128KiB) {
  OneRegion heap(size_t{1} << 20);
  size_t held = 0;
  for (Block* block = heap.bins.Allocate(1040); heap.FreeQuick(block);
       block = heap.bins.Allocate(1040)) {
    held += 1040;
  }
  EXPECT_EQ(held, size_t{128} * 1024 / 1040 * 1040);
  EXPECT_EQ(heap.quick.bytes(), held);
}

TEST(QuickListsTest, TheLimitIsNeverLessThanWhatTheyHold) {
  OneRegion heap(kRegionBytes);
  EXPECT_EQ(heap.quick.limit_bytes(), QuickLists::kMinLimitBytes);
  Block* blocks[2] = {heap.Allocate(96), heap.Allocate(96)};
  ASSERT_TRUE(heap.FreeQuick(blocks[0]));
  heap.quick.set_limit_bytes(0);
  EXPECT_EQ(heap.quick.limit_bytes(), 96U);
  EXPECT_EQ(heap.quick.bytes(), 96U);
  EXPECT_EQ(heap.quick.PeekBytes(), 96U);
  EXPECT_FALSE(heap.FreeQuick(blocks[1]));
  heap.quick.set_limit_bytes(191);
  EXPECT_FALSE(heap.FreeQuick(blocks[1]));
  heap.quick.set_limit_bytes(192);
  EXPECT_TRUE(heap.FreeQuick(blocks[1]));
  EXPECT_EQ(heap.quick.bytes(), 192U);
  EXPECT_EQ(heap.quick.PeekBytes(), 192U);
}

TEST(QuickListsTest, APostedBlockIsTakenIfItIsWhatItWas) {
  OneRegion heap(kRegionBytes);
  Block* blocks[3];
  for (Block*& block : blocks) block = heap.Allocate(96);
  for (Block* block : blocks) ASSERT_TRUE(block->MarkQuick());
  EXPECT_FALSE(blocks[0]->MarkQuick());
  // Its tag is overwritten, or the next one.
  const uint64_t word = blocks[1]->Load();
  blocks[1]->Store(word ^ uint64_t{1} << 50);
  EXPECT_FALSE(heap.quick.FreePosted(blocks[1], kTestKey, &heap));
  blocks[1]->Store(~word);
  EXPECT_FALSE(heap.quick.FreePosted(blocks[0], kTestKey, &heap));
  blocks[1]->Store(word);
  heap.quick.set_limit_bytes(95);
  EXPECT_FALSE(heap.quick.FreePosted(blocks[0], kTestKey, &heap));
  EXPECT_EQ(heap.quick.bytes(), 0U);
  heap.quick.set_limit_bytes(96);
  EXPECT_TRUE(heap.quick.FreePosted(blocks[0], kTestKey, &heap));
  EXPECT_EQ(heap.Allocate(96), blocks[0]);
  EXPECT_NE(heap.bins.LiveTag(blocks[0]->payload()), 0U);
}

// --- Damage of a block that waits: its taker, or the check, names it. ---

TEST(QuickListsTest, TheCheckNamesABlockWithABrokenTag) {
  OneRegion heap(kRegionBytes);
  Block* blocks[3];
  for (Block*& block : blocks) block = heap.Allocate(64);
  for (Block* block : blocks) ASSERT_TRUE(heap.FreeQuick(block));
  for (Block* block : blocks) {
    const uint64_t word = block->Load();
    block->Store(word ^ uint64_t{1} << 50);
    BrokenInvariant broken;
    EXPECT_FALSE(heap.quick.Check({kTestKey, &broken}, &heap));
    EXPECT_EQ(broken.where, block->payload());
    block->Store(word);
  }
  EXPECT_TRUE(heap.Check(0));
}

TEST(QuickListsDeathTest, AnOverwrittenLinkIsFoundWhenItIsTaken) {
  if (!kChecksObjects) GTEST_SKIP() << "fast does not look at free blocks";
  OneRegion heap(kRegionBytes);
  Block* block = heap.Allocate(64);
  heap.Allocate(64);
  ASSERT_TRUE(heap.FreeQuick(block));
  auto* words = static_cast<uint64_t*>(block->payload());
  words[0] = 0x4141414141414141;
  words[1] = 0x4141414141414141;
  EXPECT_DEATH(heap.Flush(), "myonlymalloc: overwritten free block at 0x");
}

TEST(QuickListsDeathTest, AnOverwrittenHeaderIsFoundWhenItIsTaken) {
  OneRegion heap(kRegionBytes);
  heap.Allocate(64);
  Block* block = heap.Allocate(64);
  heap.Allocate(64);
  ASSERT_TRUE(heap.FreeQuick(block));
  // The seal of the header.
  static_cast<unsigned char*>(block->payload())[-1] ^= 0x55;
  EXPECT_DEATH(heap.Flush(),
               "myonlymalloc: overwritten header of a free block at 0x");
}

}  // namespace
}  // namespace myonly::internal
