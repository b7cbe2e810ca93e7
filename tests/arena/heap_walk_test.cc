// Walks over an arena's blocks, the block at an address, and what each byte of
// an arena is, compared with a list of what was allocated.
#include "allocator/arena/heap_walk.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/explain.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/blocks/block.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/in_zeros.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr uintptr_t kHandle = 16;
constexpr uintptr_t kToken = 0x10000;

class HeapWalkTest : public ::testing::Test {
 protected:
  HeapWalkTest() {
    arena_.set_token(kHandle);
    arena_.Open(ArenaOptions());
    other_.set_token(2 * kHandle);
    other_.Open(ArenaOptions());
    EXPECT_TRUE(arena_.OpenShare(&share_));
  }

  char* Allocate(size_t size, size_t alignment = kMinAlignment) {
    Status status = Status::kOk;
    return Note(arena_.AllocateAligned(size, alignment, &status));
  }
  char* AllocateInShare(size_t size) {
    Status status = Status::kOk;
    return Note(share_.Allocate(size, kMinAlignment, &status));
  }
  char* Note(void* ptr) {
    EXPECT_NE(ptr, nullptr);
    live_[static_cast<char*>(ptr)] = ground_.UsableSize(ptr);
    return static_cast<char*>(ptr);
  }
  void Free(char* ptr) {
    live_.erase(ptr);
    ground_.Free(ptr);
  }
  // Of all kinds, and every third one is free again.
  void FillAll() {
    std::vector<char*> blocks;
    for (size_t i = 0; i < 300; ++i) {
      blocks.push_back(AllocateInShare(i % 3 == 0 ? 1000 : 64));
    }
    for (size_t i = 0; i < 60; ++i) {
      blocks.push_back(AllocateInShare(2000 + i * 100));
      blocks.push_back(Allocate(10 + i * 700));
    }
    for (size_t i = 0; i < 6; ++i) {
      blocks.push_back(Allocate(70000 + i * 50000));
      blocks.push_back(Allocate(100000, 128 * 1024));
      blocks.push_back(Allocate(5 * kMiB + i * kPageSize));
    }
    for (size_t i = 0; i < blocks.size(); i += 3) Free(blocks[i]);
    Status status = Status::kOk;
    for (const size_t size : {size_t{100}, size_t{100000}, 5 * kMiB}) {
      ASSERT_NE(other_.Allocate(size, &status), nullptr);
    }
  }
  // More than are looked at before others may go on. Memory is not touched.
  void TakeManySlices() {
    Status status = Status::kOk;
    for (size_t bytes = 0; bytes < 2 * 4096 * kSliceSize; bytes += 4 * kMiB) {
      ASSERT_NE(other_.Allocate(4 * kMiB, &status), nullptr);
    }
  }
  uintptr_t TokenOf(char* ptr) { return ground_.IsOfShare(ptr) ? kToken : 0; }
  // All blocks, so many at a time.
  std::map<char*, size_t> Walk(size_t room, size_t least) {
    std::map<char*, size_t> seen;
    HeapWalk walk(arena_, kHandle, least);
    std::vector<WalkedBlock> blocks(room);
    status_ = Status::kInvalid;
    while (const size_t count = walk.Next(blocks.data(), room, &status_)) {
      EXPECT_LE(count, room);
      for (size_t i = 0; i < count; ++i) {
        auto* start = static_cast<char*>(blocks[i].start);
        EXPECT_TRUE(seen.emplace(start, blocks[i].bytes).second);
        EXPECT_EQ(blocks[i].token, TokenOf(start));
      }
    }
    return seen;
  }

  FakePageSource pages_;
  Ground ground_{pages_};
  Arena arena_{ground_.runs(), ground_.huge(), TestSeed, "test"};
  Arena other_{ground_.runs(), ground_.huge(), TestSeed, "other"};
  SliceCache cache_;
  InZeros<SubHeap> share_in_zeros_{arena_,   ground_.runs(), ground_.huge(),
                                   TestSeed, kToken,         &cache_};
  SubHeap& share_ = *share_in_zeros_;
  std::map<char*, size_t> live_;
  Status status_ = Status::kOk;
};

TEST_F(HeapWalkTest, EachLiveBlockIsVisitedOnce) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  FillAll();
  for (const size_t room : {1, 2, 7, 100, 10000}) {
    EXPECT_EQ(Walk(room, 0), live_) << room;
    EXPECT_EQ(status_, Status::kOk);
  }
}

// A look ends after so many slices, wherever that is.
TEST_F(HeapWalkTest, BlocksBehindManySlicesOfOthersAreVisited) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  TakeManySlices();
  FillAll();
  for (const size_t room : {1, 10000}) {
    EXPECT_EQ(Walk(room, 0), live_) << room;
    EXPECT_EQ(status_, Status::kOk);
  }
}

// A block on two slices was the last one that the walk came to, and its region
// is gone when it goes on: in the second slice is a slab by then.
TEST_F(HeapWalkTest, WhatComesWhereABlockWasVisitedDoesNotOverlapIt) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  if (kIsSecure) GTEST_SKIP() << "freed regions don't come back at once";
  for (int i = 0; i < 600; ++i) AllocateInShare(64);
  std::vector<char*> blocks;
  for (int i = 0; i < 30; ++i) blocks.push_back(AllocateInShare(20000));
  const auto end_of = [](const WalkedBlock& block) {
    return static_cast<char*>(block.start) + block.bytes;
  };
  HeapWalk walk(arena_, kHandle, 0);
  WalkedBlock block;
  const auto is_on_two_slices = [&] {
    return (reinterpret_cast<uintptr_t>(block.start) ^
            reinterpret_cast<uintptr_t>(end_of(block) - 1)) >= kSliceSize;
  };
  do {
    ASSERT_EQ(walk.Next(&block, 1, &status_), 1u);
  } while (block.bytes < 20000 || !is_on_two_slices());
  char* const start = static_cast<char*>(block.start);
  char* const end = end_of(block);
  for (char* freed : blocks) Free(freed);
  share_.ReleaseSpare();
  bool is_there = false;
  for (int i = 0; i < 20000; ++i) {
    const char* object = AllocateInShare(64);
    is_there = is_there || (object >= start && object < end);
  }
  ASSERT_TRUE(is_there);
  while (walk.Next(&block, 1, &status_) != 0) {
    EXPECT_GE(static_cast<char*>(block.start), end);
  }
}

TEST_F(HeapWalkTest, SmallBlocksAreLeftOut) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  FillAll();
  for (const size_t least : {size_t{64}, size_t{65}, size_t{1008}, size_t{1009},
                             size_t{100000}, 5 * kMiB + 1}) {
    std::map<char*, size_t> large;
    for (const auto& [start, bytes] : live_) {
      if (bytes >= least) large[start] = bytes;
    }
    EXPECT_EQ(Walk(7, least), large) << least;
  }
  EXPECT_TRUE(Walk(7, kMiB << 10).empty());
}

TEST_F(HeapWalkTest, AnArenaThatIsClosedIsStale) {
  Allocate(100);
  Allocate(100);
  HeapWalk walk(arena_, kHandle, 0);
  WalkedBlock block;
  EXPECT_EQ(walk.Next(&block, 1, &status_), 1U);
  EXPECT_TRUE(arena_.Close(/*require_empty=*/false));
  EXPECT_EQ(walk.Next(&block, 1, &status_), 0U);
  EXPECT_EQ(status_, Status::kStale);
  arena_.set_token(kHandle + 16);
  arena_.Open(ArenaOptions());
  EXPECT_EQ(walk.Next(&block, 1, &status_), 0U);
  EXPECT_EQ(status_, Status::kStale);
}

TEST_F(HeapWalkTest, ADamagedRegionIsTold) {
  Allocate(100);
  Block* block = Block::FromPayload(Allocate(100));
  Allocate(100);
  const uint64_t word = block->Load();
  block->Store(~word);
  Walk(7, 0);
  EXPECT_EQ(status_, Status::kCorrupt);
  block->Store(word);
  EXPECT_EQ(Walk(7, 0), live_);
  EXPECT_EQ(status_, Status::kOk);
}

TEST_F(HeapWalkTest, EachByteOfABlockFindsIt) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  FillAll();
  FoundBlock found;
  for (const auto& [start, bytes] : live_) {
    for (const size_t offset : {size_t{0}, bytes / 2, bytes - 1}) {
      ASSERT_TRUE(
          FindBlock(ground_.runs(), ground_.huge(), start + offset, &found));
      EXPECT_EQ(found.start, start);
      EXPECT_EQ(found.bytes, bytes);
      EXPECT_TRUE(found.is_live);
      EXPECT_EQ(found.arena, &arena_);
      EXPECT_EQ(found.token, TokenOf(start));
      EXPECT_EQ(FindArenaAt(ground_.runs(), ground_.huge(), start + offset),
                &arena_);
    }
    for (const char* beside : {start - 1, start + bytes}) {
      EXPECT_TRUE(!FindBlock(ground_.runs(), ground_.huge(), beside, &found) ||
                  found.start != start);
    }
  }
  int local = 0;
  for (const void* foreign :
       {static_cast<const void*>(&local), static_cast<const void*>(nullptr)}) {
    EXPECT_FALSE(FindBlock(ground_.runs(), ground_.huge(), foreign, &found));
    EXPECT_EQ(FindArenaAt(ground_.runs(), ground_.huge(), foreign), nullptr);
  }
}

TEST_F(HeapWalkTest, WhatIsFreeIsNotLive) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  for (int i = 0; i < 20; ++i) AllocateInShare(64);
  char* object = AllocateInShare(64);
  char* block = Allocate(3000);
  Allocate(100);
  char* large = Allocate(100000);
  char* huge = Allocate(9 * kMiB);
  for (char* ptr : {object, block, large, huge}) Free(ptr);
  FoundBlock found;
  for (char* ptr : {object, block}) {
    ASSERT_TRUE(FindBlock(ground_.runs(), ground_.huge(), ptr, &found));
    EXPECT_FALSE(found.is_live);
  }
  // Nor what was inside of them.
  for (char* ptr : {large, large + kSliceSize, large + 2 * kSliceSize, huge,
                    huge + 5 * kMiB}) {
    EXPECT_FALSE(FindBlock(ground_.runs(), ground_.huge(), ptr, &found));
    EXPECT_EQ(FindArenaAt(ground_.runs(), ground_.huge(), ptr), nullptr);
  }
}

// --- Explaining ---

class ExplainTest : public HeapWalkTest {
 protected:
  Explanation Explain() {
    Explanation out = {};
    HeapExplainer explainer(arena_, kHandle, &out);
    EXPECT_EQ(explainer.Run(), Status::kOk);
    explainer.Finish();
    return out;
  }
};

TEST_F(ExplainTest, AllThatIsHeldIsInAPart) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  FillAll();
  const Explanation out = Explain();
  const ArenaStats stats = arena_.Stats();
  EXPECT_STREQ(out.name, stats.name);
  EXPECT_EQ(out.handle, kHandle);
  EXPECT_EQ(out.held_bytes(), stats.reserved_bytes());
  EXPECT_EQ(out.charged_bytes, stats.charged_bytes);
  EXPECT_EQ(out.parts[kUnaccounted], 0U);
  EXPECT_EQ(out.parts[kChildren], 0U);
  EXPECT_EQ(out.parts[kRemoteQueues], 0U);
  EXPECT_EQ(out.parts[kClean], 0U);
  EXPECT_EQ(out.parts[kLive], stats.live_bytes);
  size_t blocks = 0;
  size_t small = 0;
  size_t bytes = 0;
  for (const Explanation::Holding& holding : out.holdings) {
    blocks += holding.live_blocks;
    bytes += holding.live_bytes;
  }
  EXPECT_EQ(blocks, live_.size());
  EXPECT_EQ(bytes, stats.live_bytes);
  for (const auto& [start, usable] : live_) {
    const Slice* slice = ground_.runs().Find(start);
    small += slice != nullptr && (slice->kind == RunKind::kRegion ||
                                  slice->kind == RunKind::kSubHeapRegion);
  }
  EXPECT_EQ(out.parts[kHeaders], small * Block::kTagBytes);
  EXPECT_EQ(out.holdings[Explanation::kRegions].live_blocks, small);
  EXPECT_EQ(out.holdings[Explanation::kLargeRuns].bytes, stats.large_bytes);
  EXPECT_EQ(out.holdings[Explanation::kHugeMappings].bytes, stats.huge_bytes);
  EXPECT_EQ(out.holdings[Explanation::kHugeMappings].count, stats.huge_blocks);
  const size_t runs = stats.reserved_bytes() - stats.huge_bytes;
  EXPECT_EQ(out.metadata_bytes, runs / kSliceSize * sizeof(Slice) +
                                    sizeof(Arena) + sizeof(SubHeap) +
                                    stats.huge_blocks * sizeof(HugeMapping));
}

// A chain is followed as long as it leads to blocks of the share, whatever a
// program has written into what it has freed.
TEST_F(ExplainTest, WhatIsPostedIsCountedUpToAnOverwrittenLink) {
  char* blocks[2];
  for (char*& block : blocks) {
    do {
      block = AllocateInShare(2000);
    } while (!ground_.IsOfShare(block));
  }
  char* others = Allocate(2000);
  size_t posted = 0;
  for (char* block : blocks) {
    Slice* region = ground_.runs().Find(block);
    ASSERT_TRUE(share_.MarkPosted(region, block));
    auto* first = reinterpret_cast<Object*>(block);
    SubHeap::Post(region, {first, first, 1});
    posted += live_[block] + Block::kTagBytes;
    live_.erase(block);
  }
  EXPECT_EQ(Explain().parts[kRemoteQueues], posted);
  auto* last = reinterpret_cast<Object*>(blocks[1]);
  const uintptr_t word = last->next.Word();
  for (const uintptr_t garbage :
       {uintptr_t{0x7fff12345670}, reinterpret_cast<uintptr_t>(others)}) {
    last->next.SetWord(garbage);
    EXPECT_LT(Explain().parts[kRemoteQueues], posted);
  }
  last->next.SetWord(word);
  EXPECT_EQ(Explain().parts[kRemoteQueues], posted);
}

// What the arenas below it are charged, and no more.
TEST_F(ExplainTest, ChildrenAreAPartOfTheCharge) {
  Arena child(ground_.runs(), ground_.huge(), TestSeed, "child");
  child.set_token(3 * kHandle);
  child.Open(ArenaOptions(), &arena_.quota());
  const size_t own = arena_.quota().charged_bytes();
  Status status = Status::kOk;
  void* block = child.Allocate(kMiB, &status);
  ASSERT_NE(block, nullptr);
  const Explanation out = Explain();
  EXPECT_EQ(out.charged_bytes, arena_.quota().charged_bytes());
  EXPECT_EQ(out.parts[kChildren], out.charged_bytes - own);
  EXPECT_GE(out.parts[kChildren], kMiB);
  ground_.Free(block);
  EXPECT_TRUE(child.Close(/*require_empty=*/true));
}

TEST_F(ExplainTest, WhatLiesBehindManySlicesOfOthersIsSeen) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  TakeManySlices();
  FillAll();
  const Explanation out = Explain();
  const ArenaStats stats = arena_.Stats();
  EXPECT_EQ(out.held_bytes(), stats.reserved_bytes());
  EXPECT_EQ(out.parts[kLive], stats.live_bytes);
  EXPECT_EQ(out.parts[kUnaccounted], 0U);
}

TEST_F(ExplainTest, TheMostWastefulComeFirst) {
  if (!kChecksObjects) GTEST_SKIP() << "free objects are not known";
  FillAll();
  const Explanation out = Explain();
  ASSERT_NE(out.pins[0].start, nullptr);
  ASSERT_NE(out.sparse[0].start, nullptr);
  for (size_t i = 1; i < Explanation::kMostShown; ++i) {
    EXPECT_GE(out.pins[i - 1].wasted(), out.pins[i].wasted());
    EXPECT_GE(out.sparse[i - 1].wasted(), out.sparse[i].wasted());
  }
  for (const Explanation::PinningBlock& pin : out.pins) {
    if (pin.start == nullptr) continue;
    EXPECT_EQ(live_.count(const_cast<char*>(pin.start)), 1U);
    EXPECT_EQ(live_[const_cast<char*>(pin.start)], pin.bytes);
  }
}

// The only block of a region keeps all of it, one between free ones the pages
// that these don't have.
TEST_F(ExplainTest, ABlockPinsThePagesThatWouldBeFreeWithoutIt) {
  char* block = Allocate(100);
  Explanation out = Explain();
  EXPECT_EQ(out.pins[0].start, block);
  EXPECT_EQ(out.pins[0].bytes, live_[block]);
  EXPECT_EQ(out.pins[0].pages, kSliceSize / kPageSize);
  EXPECT_EQ(out.pins[1].start, nullptr);
  EXPECT_EQ(out.parts[kHeaders], Block::kTagBytes);
  EXPECT_EQ(out.sparse[0].bytes, kSliceSize);
  EXPECT_EQ(out.sparse[0].live_blocks, 1U);
  EXPECT_EQ(out.sparse[0].live_bytes, live_[block]);
  // Two pages between: with the second it would be no page more.
  char* second = Allocate(100);
  char* third = Allocate(9000);
  out = Explain();
  ASSERT_EQ(out.parts[kHeaders], 3 * Block::kTagBytes);
  for (const Explanation::PinningBlock& pin : out.pins) {
    if (pin.start == third) {
      EXPECT_EQ(pin.pages, 2U);
    }
    EXPECT_NE(pin.start, second);
  }
}

TEST_F(ExplainTest, WhatIsPurgedIsClean) {
  char* block = Allocate(20000);
  Allocate(100);
  Free(block);
  Explanation out = Explain();
  EXPECT_EQ(out.parts[kClean], 0U);
  const size_t dirty = out.parts[kDirty];
  EXPECT_GE(dirty, 4 * kPageSize);
  arena_.Purge();
  out = Explain();
  EXPECT_GE(out.parts[kClean], 4 * kPageSize);
  EXPECT_LT(out.parts[kDirty], dirty);
  EXPECT_EQ(out.held_bytes(), arena_.Stats().reserved_bytes());
}

TEST_F(ExplainTest, AnArenaThatIsClosedIsStale) {
  Explanation out = {};
  HeapExplainer explainer(arena_, kHandle, &out);
  EXPECT_TRUE(arena_.Close(/*require_empty=*/false));
  EXPECT_EQ(explainer.Run(), Status::kStale);
}

}  // namespace
}  // namespace myonly::internal
