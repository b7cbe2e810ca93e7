// Threads' shares of arenas: what a thread that uses an arena much gets of its
// own must change nothing that the arena promises.
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <set>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
// More than a thread makes before it gets a share, whatever that is.
constexpr size_t kMany = 20000;

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

size_t SizeOf(size_t i) { return (i * 2654435761u >> 7) % 3000; }

// `count` blocks of many sizes, each filled with its number.
std::vector<unsigned char*> Fill(myonly_arena* arena, size_t count) {
  std::vector<unsigned char*> blocks;
  for (size_t i = 0; i < count; ++i) {
    auto* block =
        static_cast<unsigned char*>(myonly_arena_alloc(arena, SizeOf(i)));
    if (block == nullptr) break;
    memset(block, static_cast<int>(i), SizeOf(i));
    blocks.push_back(block);
  }
  return blocks;
}

size_t CountDamaged(const std::vector<unsigned char*>& blocks) {
  size_t damaged = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    for (size_t j = 0; j < SizeOf(i); ++j) {
      if (blocks[i][j] != static_cast<unsigned char>(i)) {
        ++damaged;
        break;
      }
    }
  }
  return damaged;
}

TEST(ArenaSharesTest, StatisticsAreExactForTheCaller) {
  myonly_arena* arena = NewArena();
  uint64_t allocations = 0;
  for (size_t round = 0; round < 5; ++round) {
    std::vector<unsigned char*> blocks = Fill(arena, kMany);
    ASSERT_EQ(blocks.size(), kMany);
    allocations += kMany;
    EXPECT_EQ(CountDamaged(blocks), 0u);
    myonly_arena* owner = nullptr;
    EXPECT_EQ(myonly_arena_of(blocks.back(), &owner), MYONLY_OK);
    EXPECT_EQ(owner, arena);
    uint64_t usable = 0;
    for (unsigned char* block : blocks) usable += myonly_usable_size(block);
    const uint64_t live = StatsOf(arena).live_bytes;
    if (!myonly::internal::kIsSecure) {
      EXPECT_EQ(live, usable);
    } else {  // with what is kept behind each block, to a multiple of 16
      EXPECT_GE(live, usable + 8 * kMany);
      EXPECT_LE(live, usable + (8 + 24) * kMany);
    }
    for (size_t i = 0; i < kMany; i += 2) myonly_free(blocks[i]);
    const myonly_arena_stats_t stats = StatsOf(arena);
    EXPECT_EQ(stats.live_blocks, kMany / 2);
    EXPECT_EQ(stats.allocations, allocations);
    EXPECT_EQ(stats.frees, allocations - kMany / 2);
    EXPECT_LT(stats.live_bytes, stats.reserved_bytes);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    const myonly_arena_stats_t empty = StatsOf(arena);
    EXPECT_EQ(empty.live_blocks, 0u);
    EXPECT_EQ(empty.live_bytes, 0u);
    EXPECT_EQ(empty.reserved_bytes, 0u);
    EXPECT_EQ(empty.frees, allocations);
    EXPECT_EQ(empty.resets, round + 1);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST(ArenaSharesTest, EveryAlignmentHolds) {
  myonly_arena* arena = NewArena();
  Fill(arena, kMany);
  for (size_t alignment = 8; alignment <= 64 * kKiB; alignment *= 2) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{136},
                        size_t{1000}, size_t{5000}, 70 * kKiB}) {
      for (int i = 0; i < 20; ++i) {
        void* block = myonly_arena_aligned_alloc(arena, alignment, size);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
        memset(block, 1, size);
      }
    }
  }
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// Also in the moment when the list of objects of that size is used up.
TEST(ArenaSharesTest, AlignmentHoldsBetweenOthersOfTheSize) {
  myonly_arena* arena = NewArena();
  for (size_t alignment = 32; alignment <= kKiB; alignment *= 2) {
    for (size_t size : {24, 100, 136, 1000}) {
      for (int i = 0; i < 300; ++i) {
        ASSERT_NE(myonly_arena_alloc(arena, size), nullptr);
        void* block = myonly_arena_aligned_alloc(arena, alignment, size);
        ASSERT_NE(block, nullptr);
        ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u) << size;
      }
    }
  }
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaSharesTest, AHandleIsStaleForWhoUsedItLast) {
  std::vector<myonly_arena*> stale;
  for (int i = 0; i < 20; ++i) {
    myonly_arena* arena = NewArena();
    ASSERT_EQ(Fill(arena, 1000).size(), 1000u);
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    stale.push_back(arena);
    for (size_t size : {size_t{0}, size_t{16}, size_t{500}, size_t{5000}}) {
      errno = 0;
      EXPECT_EQ(myonly_arena_alloc(arena, size), nullptr);
      EXPECT_EQ(errno, EINVAL);
      EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
    }
  }
  // In the same place as the others were.
  myonly_arena* live = NewArena();
  const std::vector<unsigned char*> blocks = Fill(live, kMany);
  for (myonly_arena* old : stale) {
    EXPECT_EQ(myonly_arena_alloc(old, 16), nullptr);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  }
  EXPECT_EQ(StatsOf(live).allocations, kMany);
  EXPECT_EQ(CountDamaged(blocks), 0u);
  EXPECT_EQ(myonly_arena_destroy(live, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaSharesTest, ArenasInTurnKeepTheirBlocksApart) {
  std::vector<myonly_arena*> arenas;
  for (int i = 0; i < 100; ++i) arenas.push_back(NewArena());
  for (size_t round = 0; round < 600; ++round) {
    for (myonly_arena* arena : arenas) {
      ASSERT_NE(myonly_arena_alloc(arena, 40), nullptr);
    }
  }
  for (myonly_arena* arena : arenas) {
    EXPECT_EQ(StatsOf(arena).live_blocks, 600u);
    void* block = myonly_arena_alloc(arena, 40);
    myonly_arena* owner = nullptr;
    EXPECT_EQ(myonly_arena_of(block, &owner), MYONLY_OK);
    EXPECT_EQ(owner, arena);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
}

// It has a share from its first request on: objects without headers.
TEST(ArenaSharesTest, AnArenaInThePlaceOfABusyOneHasAShareAtOnce) {
  if (myonly::internal::kIsSecure)
    GTEST_SKIP() << "objects are not in order there";
  struct Case {
    int requests;
    size_t limit;
    bool has_share;
  };
  for (const Case& c :
       {Case{200, 0, false}, Case{1000, 0, true}, Case{1000, 3 * kMiB, false},
        Case{1000, 5 * kMiB, true}, Case{200, 5 * kMiB, false}}) {
    myonly_arena* busy = NewArena();
    for (int i = 0; i < c.requests; ++i) myonly_arena_alloc(busy, 48);
    EXPECT_EQ(myonly_arena_destroy(busy, MYONLY_DESTROY_FREE), MYONLY_OK);
    myonly_arena* arena = NewArena(c.limit);
    auto* first = static_cast<char*>(myonly_arena_alloc(arena, 48));
    auto* second = static_cast<char*>(myonly_arena_alloc(arena, 48));
    EXPECT_EQ(second - first == 48, c.has_share) << c.requests << c.limit;
    EXPECT_LE(StatsOf(arena).charged_bytes, 64 * kKiB);
    EXPECT_EQ(StatsOf(arena).live_blocks, 2U);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
}

// What it has kept is nobody's until then, and nothing of before is in use.
TEST(ArenaSharesTest, AnArenaThatIsResetHasItsMemoryAtOnce) {
  myonly_arena* arena = NewArena();
  for (int round = 0; round < 20; ++round) {
    const std::vector<unsigned char*> blocks = Fill(arena, 700);
    EXPECT_EQ(StatsOf(arena).live_blocks, 700U);
    EXPECT_EQ(CountDamaged(blocks), 0U);
    const std::set<unsigned char*> apart(blocks.begin(), blocks.end());
    EXPECT_EQ(apart.size(), 700U);
    // Some are back by then, as for the next request.
    for (size_t i = round; i < blocks.size(); i += 7) myonly_free(blocks[i]);
    EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    EXPECT_EQ(StatsOf(arena).charged_bytes, 0U);
    EXPECT_EQ(StatsOf(arena).live_bytes, 0U);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaSharesTest, OthersMayFree) {
  myonly_arena* arena = NewArena();
  std::vector<unsigned char*> blocks = Fill(arena, kMany);
  const uint64_t reserved = StatsOf(arena).reserved_bytes;
  std::thread([&] {
    EXPECT_EQ(CountDamaged(blocks), 0u);
    for (unsigned char* block : blocks) myonly_free(block);
  }).join();
  EXPECT_EQ(StatsOf(arena).live_blocks, 0u);
  EXPECT_EQ(StatsOf(arena).frees, kMany);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  // What is freed elsewhere comes back to the thread that had it.
  blocks = Fill(arena, kMany);
  EXPECT_LE(StatsOf(arena).reserved_bytes, reserved / 4 * 5);
  EXPECT_EQ(CountDamaged(blocks), 0u);
  // Posted, and dropped by the reset before anybody has taken it in.
  std::thread([&] {
    for (unsigned char* block : blocks) myonly_free(block);
  }).join();
  EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  blocks = Fill(arena, kMany);
  EXPECT_EQ(CountDamaged(blocks), 0u);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaSharesTest, ThreadsThatEndLeaveTheirBlocks) {
  for (int round = 0; round < 3; ++round) {
    myonly_arena* arena = NewArena();
    std::vector<std::vector<unsigned char*>> blocks(6);
    for (auto& mine : blocks) {
      std::thread([&] { mine = Fill(arena, kMany); }).join();
    }
    EXPECT_EQ(StatsOf(arena).live_blocks, blocks.size() * kMany);
    for (auto& mine : blocks) {
      EXPECT_EQ(CountDamaged(mine), 0u);
      for (unsigned char* block : mine) myonly_free(block);
    }
    EXPECT_EQ(StatsOf(arena).live_blocks, 0u);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
}

TEST(ArenaSharesTest, TheLimitIsForAllShares) {
  constexpr size_t kLimit = 4 * kMiB;
  myonly_arena* arena = NewArena(kLimit);
  std::atomic<bool> done{false};
  std::atomic<uint64_t> most{0};
  // The others go on until it has seen much of them: on one processor it may
  // look for long before they begin.
  const auto has_seen_much = [&](size_t round) {
    return most > kLimit / 2 || round > 1000 * kMany;
  };
  std::thread watcher([&] {
    while (!done) {
      most = std::max(most.load(), StatsOf(arena).reserved_bytes);
    }
  });
  std::atomic<size_t> refused{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::vector<void*> blocks;
      for (size_t i = 0; i < kMany || !has_seen_much(i); ++i) {
        void* block = myonly_arena_alloc(arena, SizeOf(i + t));
        if (block != nullptr) {
          blocks.push_back(block);
          continue;
        }
        if (myonly_last_status() == MYONLY_ERR_QUOTA) ++refused;
        for (size_t j = 0; j < blocks.size(); j += 2) {
          myonly_free(blocks[j]);
          blocks[j] = nullptr;
        }
        blocks.erase(std::remove(blocks.begin(), blocks.end(), nullptr),
                     blocks.end());
      }
      for (void* block : blocks) myonly_free(block);
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  EXPECT_GT(refused, 0u);
  EXPECT_LE(most, kLimit);
  EXPECT_GT(most, kLimit / 2);
  const myonly_arena_stats_t stats = StatsOf(arena);
  EXPECT_EQ(stats.live_blocks, 0u);
  EXPECT_LE(stats.reserved_bytes, kLimit);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(ArenaSharesTest, AtTheLimitWhatIsFreeServesOtherSizes) {
  myonly_arena* arena = NewArena(kMiB);
  std::vector<void*> blocks;
  while (void* block = myonly_arena_alloc(arena, 64)) blocks.push_back(block);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
  // In the preset secure with what is kept behind it.
  const size_t bytes = myonly::internal::kIsSecure ? 80 : 64;
  EXPECT_GT(blocks.size() * bytes, kMiB * 8 / 10);
  for (void* block : blocks) myonly_free(block);
  // As slabs, as blocks, and as a run.
  for (size_t size : {size_t{1000}, 20 * kKiB, 500 * kKiB}) {
    void* block = myonly_arena_alloc(arena, size);
    ASSERT_NE(block, nullptr) << size;
    myonly_free(block);
  }
  // Another arena is not concerned.
  myonly_arena* other = NewArena();
  EXPECT_EQ(Fill(other, kMany).size(), kMany);
  EXPECT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// A child has the shares of threads that it does not have, in whatever state
// they were.
TEST(ArenaSharesTest, AChildResetsWhatOthersWereUsing) {
  myonly_arena* arena = NewArena(64 * kMiB);
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::vector<void*> blocks(500);
      for (size_t i = t; !done; ++i) {
        void*& block = blocks[i * 7 % blocks.size()];
        myonly_free(block);
        block = myonly_arena_alloc(arena, SizeOf(i));
      }
      for (void* block : blocks) myonly_free(block);
    });
  }
  size_t failed = 0;
  for (int i = 0; i < 50; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(20);
      bool good = Fill(arena, 2000).size() == 2000 &&
                  myonly_arena_reset(arena) == MYONLY_OK &&
                  Fill(arena, 2000).size() == 2000 &&
                  myonly_arena_check(arena) == MYONLY_OK &&
                  myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) == MYONLY_OK;
      myonly_arena* next = nullptr;
      good = good && myonly_arena_create(nullptr, &next) == MYONLY_OK &&
             CountDamaged(Fill(next, 5000)) == 0;
      _exit(good ? 0 : 1);
    }
    int status = 1;
    while (waitpid(pid, &status, 0) < 0) {
    }
    failed += status != 0;
  }
  EXPECT_EQ(failed, 0u);
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(StatsOf(arena).live_blocks, 0u);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

}  // namespace
