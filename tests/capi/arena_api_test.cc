// Arenas through the C API: quota, reset, destroy, handles, statistics.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kMiB = size_t{1} << 20;
const size_t kSizes[] = {1, 100, 3000, 50000, 500000, 12 * kMiB};

myonly_arena* NewArena(size_t limit_bytes = 0) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.limit_bytes = limit_bytes;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  return arena;
}

myonly_arena_stats_t StatsOf(myonly_arena* arena) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  return stats;
}

// Blocks of `size` until there is no more.
std::vector<void*> Exhaust(myonly_arena* arena, size_t size) {
  std::vector<void*> blocks;
  while (void* block = myonly_arena_alloc(arena, size)) {
    blocks.push_back(memset(block, 1, size));
    if (blocks.size() > 1000000) break;
  }
  return blocks;
}

class ArenaApiTest : public ::testing::Test {
 protected:
  void SetUp() override { arena_ = NewArena(); }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
    if (arena_ == nullptr) return;
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  myonly_arena* arena_ = nullptr;
};

TEST_F(ArenaApiTest, EveryCallTakesABlockOfTheArena) {
  void* blocks[8];
  size_t actual = 0;
  blocks[0] = myonly_arena_alloc(arena_, 10);
  blocks[1] = myonly_arena_calloc(arena_, 10, 10);
  blocks[2] = myonly_arena_realloc(arena_, nullptr, 10);
  blocks[3] = myonly_arena_aligned_alloc(arena_, 1024, 10);
  blocks[4] = myonly_arena_alloc_at_least(arena_, 10, 0, &actual);
  EXPECT_GE(actual, 10u);
  ASSERT_EQ(myonly_arena_alloc_batch(arena_, 10, blocks + 5, 3), 3u);
  for (void* block : blocks) {
    myonly_arena* owner = nullptr;
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(myonly_arena_of(block, &owner), MYONLY_OK);
    EXPECT_EQ(owner, arena_);
  }
  EXPECT_EQ(StatsOf(arena_).live_blocks, 8u);
  myonly_free_batch(blocks, 8);
  EXPECT_EQ(StatsOf(arena_).live_blocks, 0u);
}

TEST_F(ArenaApiTest, FailuresSetErrnoAndStatus) {
  const auto expect_failed = [](void* ptr, int error, myonly_status status) {
    EXPECT_EQ(ptr, nullptr);
    EXPECT_EQ(errno, error);
    EXPECT_EQ(myonly_last_status(), status);
    errno = 0;
  };
  constexpr size_t kMax = SIZE_MAX;
  errno = 0;
  expect_failed(myonly_arena_alloc(arena_, kMax), ENOMEM, MYONLY_ERR_NOMEM);
  expect_failed(myonly_arena_calloc(arena_, kMax / 2, 3), ENOMEM,
                MYONLY_ERR_NOMEM);
  expect_failed(myonly_arena_aligned_alloc(arena_, 24, 1), EINVAL,
                MYONLY_ERR_INVALID);
  expect_failed(myonly_arena_aligned_alloc(arena_, 0, 1), EINVAL,
                MYONLY_ERR_INVALID);
  size_t actual = 5;
  expect_failed(myonly_arena_alloc_at_least(arena_, kMax, 0, &actual), ENOMEM,
                MYONLY_ERR_NOMEM);
  EXPECT_EQ(actual, 0u);
}

TEST_F(ArenaApiTest, ReallocTakesBlocksOfItsArenaOnly) {
  myonly_arena* other = NewArena();
  auto* block = static_cast<char*>(myonly_arena_alloc(other, 100));
  memset(block, 'o', 100);
  errno = 0;
  EXPECT_EQ(myonly_arena_realloc(arena_, block, 200), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
  EXPECT_EQ(std::count(block, block + 100, 'o'), 100);
  // The process heap's, and no block at all.
  void* plain = myonly_alloc(10);
  EXPECT_EQ(myonly_arena_realloc(arena_, plain, 200), nullptr);
  EXPECT_EQ(myonly_arena_realloc(arena_, &plain, 200), nullptr);
  myonly_free(plain);
  EXPECT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST_F(ArenaApiTest, ReallocStaysInTheArena) {
  for (size_t size : kSizes) {
    auto* block = static_cast<char*>(myonly_arena_alloc(arena_, size));
    block[0] = 'r';
    block = static_cast<char*>(myonly_realloc(block, size * 3 + 100));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block[0], 'r');
    myonly_arena* owner = nullptr;
    EXPECT_EQ(myonly_arena_of(block, &owner), MYONLY_OK);
    EXPECT_EQ(owner, arena_);
    EXPECT_EQ(myonly_arena_realloc(arena_, block, 0), nullptr);
  }
  EXPECT_EQ(StatsOf(arena_).live_blocks, 0u);
}

TEST(ArenaQuotaTest, FailsSoftlyAndAlone) {
  constexpr size_t kLimit = 4 * kMiB;
  myonly_arena* limited = NewArena(kLimit);
  myonly_arena* free_arena = NewArena();
  for (size_t size : {size_t{100}, size_t{3000}, size_t{300000}, kMiB}) {
    errno = 0;
    std::vector<void*> blocks = Exhaust(limited, size);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
    ASSERT_FALSE(blocks.empty()) << size;
    EXPECT_LE(StatsOf(limited).reserved_bytes, kLimit);
    EXPECT_LE(StatsOf(limited).live_bytes, kLimit);
    // Nobody else notices.
    void* elsewhere = myonly_arena_alloc(free_arena, size);
    void* plain = myonly_alloc(size);
    EXPECT_NE(elsewhere, nullptr);
    EXPECT_NE(plain, nullptr);
    myonly_free(elsewhere);
    myonly_free(plain);
    // One that goes makes room for another.
    myonly_free(blocks.back());
    blocks.back() = myonly_arena_alloc(limited, size);
    EXPECT_NE(blocks.back(), nullptr);
    myonly_free_batch(blocks.data(), blocks.size());
    EXPECT_EQ(myonly_arena_check(limited), MYONLY_OK);
  }
  EXPECT_EQ(StatsOf(limited).limit_bytes, kLimit);
  EXPECT_EQ(myonly_arena_destroy(limited, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(free_arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// After small blocks the whole quota must be there for large ones again.
TEST(ArenaQuotaTest, FreedMemoryServesAnySizeAgain) {
  constexpr size_t kLimit = 4 * kMiB;
  myonly_arena* arena = NewArena(kLimit);
  std::vector<void*> small = Exhaust(arena, 64);
  myonly_free_batch(small.data(), small.size());
  void* large = myonly_arena_alloc(arena, 3 * kMiB);
  EXPECT_NE(large, nullptr);
  myonly_free(large);
  EXPECT_EQ(Exhaust(arena, 64).size(), small.size());
  EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  EXPECT_NE(myonly_arena_alloc(arena, 3 * kMiB), nullptr);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaQuotaTest, CountsEveryWayToAllocate) {
  myonly_arena* arena = NewArena(kMiB);
  const auto expect_quota = [](void* ptr) {
    EXPECT_EQ(ptr, nullptr);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
    errno = 0;
  };
  errno = 0;
  expect_quota(myonly_arena_alloc(arena, 2 * kMiB));
  expect_quota(myonly_arena_alloc(arena, 100 * kMiB));
  expect_quota(myonly_arena_calloc(arena, 2, kMiB));
  expect_quota(myonly_arena_aligned_alloc(arena, 4096, 2 * kMiB));
  auto* block = static_cast<char*>(myonly_arena_alloc(arena, 1000));
  memset(block, 'q', 1000);
  expect_quota(myonly_arena_realloc(arena, block, 2 * kMiB));
  expect_quota(myonly_realloc(block, 50 * kMiB));
  EXPECT_EQ(myonly_try_resize(block, 2 * kMiB, nullptr), 0);
  EXPECT_EQ(std::count(block, block + 1000, 'q'), 1000);
  std::vector<void*> blocks(1000);
  const size_t made =
      myonly_arena_alloc_batch(arena, 100000, blocks.data(), blocks.size());
  EXPECT_GT(made, 0u);
  EXPECT_LT(made, 11u);
  expect_quota(nullptr);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaQuotaTest, TooSmallForAnythingGivesNothing) {
  for (size_t limit : {size_t{1}, size_t{1000}, size_t{32767}}) {
    myonly_arena* arena = NewArena(limit);
    EXPECT_EQ(myonly_arena_alloc(arena, 1), nullptr);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
}

TEST_F(ArenaApiTest, ResetDropsAllAndKeepsTheHandle) {
  for (uint64_t round = 1; round <= 3; ++round) {
    for (size_t size : kSizes) {
      void* block = myonly_arena_alloc(arena_, size);
      ASSERT_NE(block, nullptr);
      memset(block, 1, size);
    }
    EXPECT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
    const myonly_arena_stats_t stats = StatsOf(arena_);
    EXPECT_EQ(stats.live_blocks, 0u);
    EXPECT_EQ(stats.live_bytes, 0u);
    EXPECT_EQ(stats.huge_bytes, 0u);
    EXPECT_EQ(stats.resets, round);
    EXPECT_EQ(stats.allocations, round * std::size(kSizes));
    EXPECT_EQ(stats.frees, stats.allocations);
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
  }
}

TEST_F(ArenaApiTest, ResetLeavesOthersAlone) {
  myonly_arena* other = NewArena();
  auto* block = static_cast<char*>(myonly_arena_alloc(other, 5000));
  memset(block, 'l', 5000);
  ASSERT_NE(myonly_arena_alloc(arena_, 5000), nullptr);
  EXPECT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
  EXPECT_EQ(std::count(block, block + 5000, 'l'), 5000);
  EXPECT_EQ(StatsOf(other).live_blocks, 1u);
  EXPECT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST_F(ArenaApiTest, ZeroedBlocksAreZeroAfterReset) {
  for (size_t size : kSizes) {
    memset(myonly_arena_alloc(arena_, size), 0xff, size);
    EXPECT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
    auto* block = static_cast<char*>(myonly_arena_calloc(arena_, 1, size));
    EXPECT_EQ(std::count(block, block + size, 0), static_cast<long>(size));
  }
}

TEST_F(ArenaApiTest, DestroyOfAnArenaInUseCanBeRefused) {
  for (size_t size : kSizes) {
    void* block = myonly_arena_alloc(arena_, size);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_ERR_BUSY);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_BUSY);
    memset(block, 1, size);  // It is as it was.
    myonly_free(block);
  }
  EXPECT_EQ(myonly_arena_destroy(arena_, 2), MYONLY_ERR_UNSUPPORTED);
  EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
  arena_ = nullptr;
}

TEST_F(ArenaApiTest, DestroyGivesTheMemoryBack) {
  const auto held = [] {
    myonly_purge(0);
    return StatsOf(nullptr).reserved_bytes;
  };
  const uint64_t before = held();
  for (int i = 0; i < 200; ++i) {
    myonly_arena* arena = NewArena();
    for (size_t size : kSizes) {
      ASSERT_NE(myonly_arena_alloc(arena, size), nullptr) << i;
    }
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  EXPECT_EQ(held(), before);
}

}  // namespace
