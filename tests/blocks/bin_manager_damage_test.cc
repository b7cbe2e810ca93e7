// Overwritten tags and links, written to after free or past the end: the bin
// manager says so before it follows them, and its checks name the place.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "allocator/base/preset.h"
#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "gtest/gtest.h"
#include "tests/blocks/test_region.h"

namespace myonly::internal {
namespace {

// Three blocks in a row; the rest of the region is free.
class BinManagerDamageTest : public ::testing::Test {
 protected:
  BinManagerDamageTest() : heap(64 * 1024) {
    first = heap.bins.Allocate(128);
    second = heap.bins.Allocate(256);
    third = heap.bins.Allocate(128);
  }

  // The program writes past the end of a block, or before its start.
  static void Overwrite(Block* block) { block->Store(0x4141414141414141); }

  std::string Diagnose(const void* ptr) {
    return heap.bins.Diagnose(heap.region->start(), ptr);
  }
  // Expects the check of the region to name `block`.
  void ExpectNamed(Block* block) {
    size_t bytes = 0;
    size_t blocks = 0;
    BrokenInvariant broken;
    EXPECT_FALSE(
        heap.bins.CheckRegion(heap.region->start(), &bytes, &blocks, &broken));
    EXPECT_EQ(broken.where, block->payload());
  }

  OneRegion heap;
  Block* first;
  Block* second;
  Block* third;
};
using BinManagerDamageDeathTest = BinManagerDamageTest;

TEST_F(BinManagerDamageTest, OnlyLiveBlocksHaveALiveTag) {
  EXPECT_EQ(heap.bins.LiveTag(second->payload()), second->Load());
  auto* payload = static_cast<char*>(second->payload());
  memset(payload, 0, 200);
  for (size_t offset = 1; offset < 200; ++offset) {
    EXPECT_EQ(heap.bins.LiveTag(payload + offset), 0U) << offset;
  }
  EXPECT_EQ(heap.bins.LiveTag(third->Next()->payload()), 0U) << "free";
  heap.Free(second);
  EXPECT_EQ(heap.bins.LiveTag(payload), 0U) << "freed";
}

// A tag that was copied into the payload, at the right offset.
TEST_F(BinManagerDamageTest, ACopiedTagIsNotLive) {
  auto* payload = static_cast<char*>(second->payload());
  const uint64_t word = second->Load();
  memcpy(payload + 24, &word, sizeof(word));
  EXPECT_EQ(heap.bins.LiveTag(payload + 32), 0U);
}

TEST_F(BinManagerDamageTest, NextFollowsUntilItIsOverwritten) {
  EXPECT_TRUE(heap.bins.NextFollows(first, first->Load()));
  Overwrite(second);
  EXPECT_FALSE(heap.bins.NextFollows(first, first->Load()));
}

// As it was before the block was made smaller: its seal is as good as ever.
TEST_F(BinManagerDamageTest, NextDoesNotFollowAnOlderTag) {
  for (const size_t bytes : {size_t{128}, size_t{64}}) {
    const uint64_t older = second->Load();
    ASSERT_TRUE(heap.bins.Resize(second, bytes));
    const uint64_t word = second->Load();
    ASSERT_NE(Block::SizeIn(word), Block::SizeIn(older));
    second->Store(older);
    EXPECT_EQ(heap.bins.LiveTag(second->payload()), older);
    EXPECT_FALSE(heap.bins.NextFollows(second, older));
    second->Store(word);
    EXPECT_TRUE(heap.bins.NextFollows(second, word));
  }
}

// Also where the tag that followed has become part of a free block since.
TEST_F(BinManagerDamageTest, NothingFollowsAnOlderTagOfTheLastBlock) {
  const uint64_t older = third->Load();
  ASSERT_TRUE(heap.bins.Resize(third, 64));
  const uint64_t word = third->Load();
  third->Store(older);
  EXPECT_FALSE(heap.bins.NextFollows(third, older));
  third->Store(word);
}

// Nor is one that was freed since joined as the block before.
TEST_F(BinManagerDamageDeathTest, AnOlderTagThatSaysThatTheOneBeforeIsFree) {
  heap.Free(first);
  const uint64_t older = second->Load();
  ASSERT_EQ(heap.bins.Allocate(128), first);
  second->Store(older);
  EXPECT_DEATH(heap.Free(second), "myonlymalloc: overwritten header at 0x");
}

TEST_F(BinManagerDamageTest, TheCheckNamesAnOverwrittenTag) {
  EXPECT_TRUE(heap.Check(3));
  Overwrite(second);
  ExpectNamed(second);
}

TEST_F(BinManagerDamageTest, TheCheckNamesTagsThatDisagree) {
  // Each is sealed, but not what the neighbour says.
  BoundaryTag tag = second->Read();
  tag.previous_size = 64;
  second->Write(kTestKey, tag);
  ExpectNamed(second);
  tag.previous_size = first->size();
  tag.previous_free = true;
  second->Write(kTestKey, tag);
  ExpectNamed(second);
}

TEST_F(BinManagerDamageTest, TheCheckNamesTwoFreeNeighbours) {
  heap.Free(second);
  BoundaryTag tag = first->Read();
  tag.used = false;
  first->Write(kTestKey, tag);
  tag = second->Read();
  tag.previous_free = true;
  second->Write(kTestKey, tag);
  ExpectNamed(second);
}

TEST_F(BinManagerDamageTest, TheCheckOfTheBinsFindsALostBlock) {
  heap.Free(second);
  BrokenInvariant broken;
  ASSERT_TRUE(heap.bins.CheckBins({kTestKey, &broken}));
  Block* const link = second->next_free();
  // A list that ends too early has lost blocks; one that goes astray names
  // where.
  second->next_free() = third;
  EXPECT_FALSE(heap.bins.CheckBins({kTestKey, &broken}));
  EXPECT_EQ(broken.where, third->payload());
  second->next_free() = link;
  EXPECT_TRUE(heap.bins.CheckBins({kTestKey, &broken}));
}

// What blocks are cut off is in no list: it is looked at by itself.
TEST_F(BinManagerDamageTest, TheCheckOfTheBinsNamesTheRestThatBlocksAreCutOff) {
  Block* rest = third->Next();
  ASSERT_FALSE(rest->Read().used);
  const uint64_t word = rest->Load();
  BoundaryTag used = rest->Read();
  used.used = true;
  BoundaryTag small = rest->Read();
  small.size -= 16;
  for (const uint64_t damaged :
       {~word, Block::Pack(rest, kTestKey, used),
        Block::Pack(rest, kTestKey, small), word ^ uint64_t{1} << 50}) {
    rest->Store(damaged);
    BrokenInvariant broken;
    EXPECT_FALSE(heap.bins.CheckBins({kTestKey, &broken}));
    EXPECT_STREQ(broken.what, "wrong victim");
    EXPECT_EQ(broken.where, rest->payload());
  }
  rest->Store(word);
  EXPECT_TRUE(heap.Check(3));
}

TEST_F(BinManagerDamageTest, TheCheckOfTheBinsNamesABlockOfAnotherBin) {
  heap.Free(second);
  const uint64_t word = second->Load();
  BoundaryTag used = second->Read();
  used.used = true;
  BoundaryTag quick = second->Read();
  quick.quick = true;
  BoundaryTag large = second->Read();
  large.size *= 2;
  for (const uint64_t damaged : {~word, Block::Pack(second, kTestKey, used),
                                 Block::Pack(second, kTestKey, quick),
                                 Block::Pack(second, kTestKey, large)}) {
    second->Store(damaged);
    BrokenInvariant broken;
    EXPECT_FALSE(heap.bins.CheckBins({kTestKey, &broken}));
    EXPECT_STREQ(broken.what, "wrong block in a bin");
    EXPECT_EQ(broken.where, second->payload());
  }
  second->Store(word);
  // Its list runs in a circle.
  second->next_free() = second;
  BrokenInvariant broken;
  EXPECT_FALSE(heap.bins.CheckBins({kTestKey, &broken}));
  EXPECT_STREQ(broken.what, "overwritten free block");
  second->next_free() = nullptr;
  EXPECT_TRUE(heap.Check(2));
}

TEST_F(BinManagerDamageTest, TheCheckAddsUpWhatIsLive) {
  ASSERT_TRUE(heap.FreeQuick(second));
  size_t bytes = 7;
  size_t blocks = 7;
  BrokenInvariant broken;
  EXPECT_TRUE(
      heap.bins.CheckRegion(heap.region->start(), &bytes, &blocks, &broken));
  EXPECT_EQ(bytes, 7 + 2 * (128 - Block::kTagBytes));
  EXPECT_EQ(blocks, 9U);
}

TEST_F(BinManagerDamageTest, TheCheckOfTheQuickListsFindsALostBlock) {
  Block* another = heap.bins.Allocate(256);
  ASSERT_TRUE(heap.FreeQuick(another) && heap.FreeQuick(second));
  second->next_free() = nullptr;
  BrokenInvariant broken;
  EXPECT_FALSE(heap.quick.Check({kTestKey, &broken}, &heap));
}

TEST_F(BinManagerDamageTest, DiagnosesWhatIsWrongWithAFree) {
  auto* payload = static_cast<char*>(second->payload());
  EXPECT_EQ(Diagnose(payload + 16), "free of an address inside a block");
  EXPECT_EQ(Diagnose(payload + 1), "free of an address inside a block");
  ASSERT_TRUE(heap.FreeQuick(second));
  EXPECT_EQ(Diagnose(payload), "double free");
  heap.Flush();
  EXPECT_EQ(Diagnose(payload), "double free");
  EXPECT_EQ(Diagnose(payload + 16), "double free");
  Overwrite(first);
  EXPECT_EQ(Diagnose(first->payload()), "overwritten header");
}

// A walk does not go on from a tag that nobody wrote, whatever that says.
TEST_F(BinManagerDamageTest, DiagnosesNothingBehindAnOverwrittenHeader) {
  for (const uint64_t word : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 10,
                              uint64_t{0x4141414141414141}}) {
    first->Store(word);
    for (Block* block : {first, second, third}) {
      EXPECT_EQ(Diagnose(block->payload()), "overwritten header") << word;
    }
  }
}

// What is live and can't be freed all the same has a bad tag behind it.
TEST_F(BinManagerDamageTest, DiagnosesTheBlockBeforeAnOverwrittenHeader) {
  EXPECT_EQ(Diagnose(second->payload()), "overwritten header");
  EXPECT_EQ(Diagnose(heap.region->sentinel()->payload()),
            "free of an address inside a block");
}

// A block of a larger bin, of which the size is read when it is cut.
TEST_F(BinManagerDamageDeathTest, CuttingAnOverwrittenFreeBlockAborts) {
  heap.Free(second);
  // All the rest, so that nothing else is there to cut.
  ASSERT_TRUE(heap.bins.Resize(third, third->size() + third->Next()->size()));
  for (const size_t bytes : {size_t{32}, size_t{1024}, Block::kMaxBytes}) {
    BoundaryTag tag = second->Read();
    tag.size = bytes;
    second->Store(Block::Pack(second, kTestKey + 2, tag));
    EXPECT_DEATH(heap.bins.Allocate(64), "myonlymalloc: overwritten header");
  }
}

// The rest that blocks are cut off, which is in no bin.
TEST_F(BinManagerDamageDeathTest, AnOverwrittenRestIsNeitherCutNorJoined) {
  Overwrite(third->Next());
  EXPECT_DEATH(heap.bins.Allocate(64), "myonlymalloc: overwritten header");
  EXPECT_DEATH(heap.Free(third), "myonlymalloc: overwritten header");
}

TEST_F(BinManagerDamageDeathTest, FreeingBeforeAnOverwrittenTagAborts) {
  Overwrite(second);
  EXPECT_DEATH(heap.Free(first), "myonlymalloc: overwritten header at 0x");
}

TEST_F(BinManagerDamageDeathTest, FreeingBehindAnOverwrittenFreeBlockAborts) {
  heap.Free(first);
  Overwrite(first);
  EXPECT_DEATH(heap.Free(second), "myonlymalloc: overwritten header at 0x");
}

TEST_F(BinManagerDamageDeathTest, AllocatingAnOverwrittenFreeBlockAborts) {
  heap.Free(second);
  Overwrite(second);
  EXPECT_DEATH(heap.bins.Allocate(256), "myonlymalloc: overwritten header");
}

// The quick list hands it out unseen; whoever frees it next finds it.
TEST_F(BinManagerDamageTest, AnOverwrittenQuickBlockIsNotLiveWhenAllocated) {
  ASSERT_TRUE(heap.FreeQuick(second));
  Overwrite(second);
  Block* again = heap.Allocate(256);
  ASSERT_EQ(again, second);
  EXPECT_EQ(heap.bins.LiveTag(again->payload()), 0U);
  EXPECT_FALSE(heap.quick.FreeIfLive(again->payload(), kTestKey, &heap));
}

TEST_F(BinManagerDamageDeathTest, FlushingAnOverwrittenQuickBlockAborts) {
  ASSERT_TRUE(heap.FreeQuick(second));
  Overwrite(second);
  EXPECT_DEATH(heap.Flush(),
               "myonlymalloc: overwritten header of a free block at 0x");
}

// Two words past the start of a freed block: its links.
TEST_F(BinManagerDamageDeathTest, AForgedLinkIsNotUnlinked) {
  heap.Free(second);
  // What an attacker would have written to.
  Block target = *third;
  second->next_free() = &target;
  EXPECT_DEATH(heap.bins.Allocate(256), "myonlymalloc: overwritten free block");
  EXPECT_DEATH(heap.Free(third), "myonlymalloc: overwritten free block");
}

TEST_F(BinManagerDamageDeathTest, AForgedBackLinkIsNotUnlinked) {
  heap.Free(second);
  Block target = *third;
  target.next_free() = nullptr;
  second->previous_free() = &target;
  EXPECT_DEATH(heap.Free(first), "myonlymalloc: overwritten free block");
}

TEST_F(BinManagerDamageDeathTest, PurgingBehindAnOverwrittenTagAborts) {
  for (const uint64_t word : {0x4141414141414141, 0x4141414141414140}) {
    second->Store(word);
    size_t keep_bytes = 0;
    EXPECT_DEATH(
        heap.bins.PurgeRegion(heap.region->start(), 64, true, &keep_bytes,
                              [](char* /*start*/, size_t /*bytes*/) {}),
        "myonlymalloc: overwritten header");
  }
}

// What can't be read is not looked at.
TEST_F(BinManagerDamageDeathTest, LinksThatLeadNowhereAreNotFollowed) {
  auto* nowhere = reinterpret_cast<Block*>(uintptr_t{0x4141414141414148});
  heap.Free(second);
  Block* link = second->next_free();
  second->next_free() = nowhere;
  EXPECT_DEATH(heap.Free(first), "myonlymalloc: overwritten free block");
  EXPECT_DEATH(heap.bins.Allocate(272), "myonlymalloc: overwritten free block");
  second->next_free() = link;
  second->previous_free() = nowhere;
  EXPECT_DEATH(heap.Free(first), "myonlymalloc: overwritten free block");
}

// Nor where no block is, just before all regions and just behind them.
TEST_F(BinManagerDamageDeathTest, LinksLeadIntoRegionsOnly) {
  char* start = static_cast<char*>(heap.region->start());
  heap.Free(second);
  for (char* outside : {start - Block::kTagBytes,
                        start + heap.region->bytes() + Block::kTagBytes}) {
    second->next_free() = static_cast<Block*>(static_cast<void*>(outside));
    EXPECT_DEATH(heap.Free(first), "myonlymalloc: overwritten free block");
    EXPECT_DEATH(heap.bins.Allocate(272),
                 "myonlymalloc: overwritten free block");
  }
}

// Its link is what the mark proves; without marks the list has lost a block.
TEST_F(BinManagerDamageDeathTest, AQuickListThatLostItsBlocksIsTold) {
  Block* another = heap.Allocate(256);
  ASSERT_TRUE(heap.FreeQuick(second));
  ASSERT_TRUE(heap.FreeQuick(another));
  another->next_free() = nullptr;
  EXPECT_DEATH(heap.Flush(), kChecksObjects
                                 ? "myonlymalloc: overwritten free block"
                                 : "myonlymalloc: lost free blocks");
}

// Whatever the link leads to, also to another block that is free and marked.
TEST_F(BinManagerDamageDeathTest, AQuickBlockWithAnotherLinkIsNotTaken) {
  if (!kChecksObjects) GTEST_SKIP() << "blocks have no marks in this preset";
  Block* third = heap.Allocate(256);
  Block* last = heap.Allocate(256);
  for (Block* block : {second, third, last}) {
    ASSERT_TRUE(heap.FreeQuick(block));
  }
  last->next_free() = second;
  EXPECT_DEATH(heap.Allocate(256), "myonlymalloc: overwritten free block");
}

TEST_F(BinManagerDamageDeathTest, ResizingOverAnOverwrittenTagAborts) {
  // Whether it says that the block is used or free.
  for (const uint64_t word : {0x4141414141414141, 0x4141414141414140}) {
    second->Store(word);
    EXPECT_DEATH(heap.bins.Resize(first, 200),
                 "myonlymalloc: overwritten header");
    EXPECT_DEATH(heap.bins.Resize(first, 32),
                 "myonlymalloc: overwritten header");
  }
}

}  // namespace
}  // namespace myonly::internal
