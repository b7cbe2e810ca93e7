// Where every block of the process heap is a sampled one: a walk of the heap
// has them, one of an arena has not; explanation and statistics count them;
// alignments are what they are else.
#include <stdint.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/json.h"

namespace {

using myonly::testing::Json;

constexpr size_t kBytes = 100;

// What a walk shows; it ends after `most`.
struct Seen {
  size_t most = SIZE_MAX;
  std::vector<void*> blocks;
  std::set<myonly_arena*> arenas;

  static int Visit(void* ctx, const myonly_block_info* info) {
    auto* seen = static_cast<Seen*>(ctx);
    seen->blocks.push_back(info->start);
    seen->arenas.insert(info->arena);
    return seen->blocks.size() == seen->most ? 1 : 0;
  }
  size_t CountOf(const void* block) const {
    return static_cast<size_t>(std::count(blocks.begin(), blocks.end(), block));
  }
};

class SampledWalkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (void*& block : blocks_) {
      block = myonly_alloc(kBytes);
      ASSERT_NE(block, nullptr);
    }
  }
  void TearDown() override {
    for (void* block : blocks_) myonly_free(block);
  }

  void* blocks_[50] = {};
};

TEST_F(SampledWalkTest, TheHeapsWalkHasEachBlockOnce) {
  for (uint64_t least : {uint64_t{0}, uint64_t{kBytes}}) {
    Seen seen;
    myonly_walk_options options = MYONLY_WALK_OPTIONS_INIT;
    options.least_bytes = least;
    ASSERT_EQ(myonly_arena_walk(nullptr, &options, Seen::Visit, &seen),
              MYONLY_OK);
    for (void* block : blocks_) EXPECT_EQ(seen.CountOf(block), 1u) << least;
    EXPECT_EQ(seen.arenas.size(), 1u);
  }
}

TEST_F(SampledWalkTest, LargerOnesAreAskedForWithoutThem) {
  Seen seen;
  myonly_walk_options options = MYONLY_WALK_OPTIONS_INIT;
  options.least_bytes = 2 * kBytes;
  ASSERT_EQ(myonly_arena_walk(nullptr, &options, Seen::Visit, &seen),
            MYONLY_OK);
  for (void* block : blocks_) EXPECT_EQ(seen.CountOf(block), 0u);
}

TEST_F(SampledWalkTest, AVisitorEndsIt) {
  for (size_t most : {1, 7, 50}) {
    Seen seen;
    seen.most = most;
    ASSERT_EQ(myonly_arena_walk(nullptr, nullptr, Seen::Visit, &seen),
              MYONLY_OK);
    EXPECT_EQ(seen.blocks.size(), most);
  }
}

TEST_F(SampledWalkTest, AnArenasWalkHasItsOwnBlocksOnly) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  for (int i = 0; i < 3; ++i) {
    ASSERT_NE(myonly_arena_alloc(arena, kBytes), nullptr);
  }
  Seen seen;
  ASSERT_EQ(myonly_arena_walk(arena, nullptr, Seen::Visit, &seen), MYONLY_OK);
  EXPECT_EQ(seen.blocks.size(), 3u);
  EXPECT_EQ(seen.arenas, std::set<myonly_arena*>{arena});
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

Json ExplainHeap() {
  std::string text;
  const auto append = [](void* ctx, const char* part, size_t length) {
    static_cast<std::string*>(ctx)->append(part, length);
  };
  EXPECT_EQ(myonly_arena_explain_json(nullptr, append, &text), MYONLY_OK);
  return Json::Parse(text);
}

TEST(SampledExplainTest, EachIsALargeRunOfAPage) {
  constexpr uint64_t kBlocks = 50;
  constexpr uint64_t kPage = 4096;
  const Json before = ExplainHeap();
  void* blocks[kBlocks];
  for (void*& block : blocks) block = myonly_alloc(kBytes);
  const Json now = ExplainHeap();
  const auto more = [&](const char* group, const char* name,
                        const char* member) {
    const auto number = [&](const Json& all) {
      const Json& one = all[group][name];
      return *member == '\0' ? one.number : one[member].number;
    };
    return number(now) - number(before);
  };
  EXPECT_EQ(more("kinds", "large", "count"), kBlocks);
  EXPECT_EQ(more("kinds", "large", "bytes"), kBlocks * kPage);
  EXPECT_EQ(more("kinds", "large", "live_blocks"), kBlocks);
  EXPECT_EQ(more("kinds", "large", "live_bytes"), kBlocks * kBytes);
  EXPECT_EQ(more("parts", "live", ""), kBlocks * kBytes);
  EXPECT_EQ(more("parts", "rounding", ""), kBlocks * (kPage - kBytes));
  EXPECT_EQ(now["charged_bytes"].number - before["charged_bytes"].number,
            kBlocks * kPage);
  for (void* block : blocks) myonly_free(block);
}

myonly_arena_stats_t StatsOfHeap() {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(nullptr, &stats), MYONLY_OK);
  return stats;
}

TEST(SampledStatsTest, EachCountsAsABlockOfItsBytesInAPage) {
  constexpr uint64_t kBlocks = 50;
  const myonly_arena_stats_t before = StatsOfHeap();
  void* blocks[kBlocks];
  for (void*& block : blocks) block = myonly_alloc(kBytes);
  const myonly_arena_stats_t now = StatsOfHeap();
  EXPECT_EQ(now.allocations - before.allocations, kBlocks);
  EXPECT_EQ(now.frees, before.frees);
  EXPECT_EQ(now.live_blocks - before.live_blocks, kBlocks);
  EXPECT_EQ(now.live_bytes - before.live_bytes, kBlocks * kBytes);
  EXPECT_GE(now.peak_live_bytes, now.live_bytes);
  EXPECT_EQ(now.reserved_bytes - before.reserved_bytes, kBlocks * 4096);
  EXPECT_EQ(now.large_bytes - before.large_bytes, kBlocks * 4096);
  EXPECT_EQ(now.charged_bytes - before.charged_bytes, kBlocks * 4096);
  for (void* block : blocks) myonly_free(block);
  const myonly_arena_stats_t end = StatsOfHeap();
  EXPECT_EQ(end.frees - before.frees, kBlocks);
  EXPECT_EQ(end.live_blocks, before.live_blocks);
  EXPECT_EQ(end.live_bytes, before.live_bytes);
  EXPECT_EQ(end.charged_bytes, before.charged_bytes);
}

TEST(SampledAlignmentTest, OnlyPowersOfTwoAreServed) {
  for (size_t alignment : {3, 24, 48, 100, 4097}) {
    EXPECT_EQ(myonly_aligned_alloc(alignment, kBytes), nullptr) << alignment;
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID) << alignment;
  }
  for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    void* block = myonly_aligned_alloc(alignment, kBytes);
    ASSERT_NE(block, nullptr) << alignment;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
    EXPECT_GE(myonly_usable_size(block), kBytes);
    myonly_free(block);
  }
}

}  // namespace
