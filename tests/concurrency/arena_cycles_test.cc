// Very many arenas: one after the other without growth, and all at once.
//
// TEST_CYCLES (200,000) and TEST_ARENAS (100,000 with an object in
// each eighth; another number: in each) make it longer.
#include <stdint.h>
#include <stdlib.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/preset.h"
#include "tests/support/resident.h"

namespace myonly::testing {
namespace {

#ifdef MYONLY_SANITIZER
constexpr size_t kCycles = 20000;
constexpr bool kCountsPages = false;
#else
constexpr size_t kCycles = 200000;
// Debug keeps a record of each address that has been a block.
constexpr bool kCountsPages = !myonly::testing::kIsDebug;
#endif
constexpr size_t kArenas = 100000;

size_t FromEnvironment(const char* name, size_t otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : strtoul(text, nullptr, 10);
}

size_t ResidentKib() { return ResidentBytes() / 1024; }

myonly_arena* NewArena(myonly_arena* parent) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.parent = parent;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  return arena;
}

// Unused ones, ones with a few blocks, ones with a share of this thread; below
// `parent`.
void Cycle(myonly_arena* parent, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    myonly_arena* arena = NewArena(i % 2 == 0 ? parent : nullptr);
    const size_t blocks = i % 4 != 0 ? i % 4 * 5 - 5 : i % 1000 == 0 ? 400 : 0;
    for (size_t j = 0; j < blocks; ++j) {
      ASSERT_NE(myonly_arena_alloc(arena, 1 + (i * 31 + j * 7) % 3000),
                nullptr);
    }
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
}

void ExpectNoGrowth(size_t threads, size_t cycles) {
  myonly_arena* parent = NewArena(nullptr);
  size_t resident = 0;
  const auto start = std::chrono::steady_clock::now();
  for (size_t tenth = 0; tenth < 10; ++tenth) {
    std::vector<std::thread> running;
    for (size_t t = 0; t < threads; ++t) {
      running.emplace_back(Cycle, parent, tenth * cycles / 10 / threads,
                           (tenth + 1) * cycles / 10 / threads);
    }
    for (std::thread& thread : running) thread.join();
    // What the first ones have touched is used again by all others.
    if (tenth == 0) resident = ResidentKib();
  }
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - start;
  const size_t after = ResidentKib();
  printf(
      "%zu cycles in %zu threads: %.2f s, %zu KiB after a tenth, %zu after "
      "all\n",
      cycles, threads, took.count(), resident, after);
  // A thread keeps up to 64 free slices for its next slabs, the process 1 MiB
  // of free pages.
  if (kCountsPages) {
    EXPECT_LE(after, resident + threads * 2048 + 1024);
  }
  size_t charged = 1;
  EXPECT_EQ(myonly_arena_charged(parent, &charged), MYONLY_OK);
  EXPECT_EQ(charged, 0u);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(parent, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(ArenaCyclesTest, OneAfterTheOtherNothingGrows) {
  ExpectNoGrowth(1, FromEnvironment("TEST_CYCLES", kCycles));
}

TEST(ArenaCyclesTest, InFourThreadsNothingGrows) {
  ExpectNoGrowth(4, FromEnvironment("TEST_CYCLES", kCycles));
}

// All are found, each has its own blocks, and all of it goes back.
TEST(ManyArenasTest, AHundredThousandLiveAtATime) {
  const size_t count = FromEnvironment("TEST_ARENAS", kArenas);
  const size_t step = getenv("TEST_ARENAS") == nullptr ? 8 : 1;
  myonly_arena* parent = NewArena(nullptr);
  std::vector<myonly_arena*> arenas(count);
  std::vector<unsigned char*> blocks(count);
  const size_t before = ResidentKib();
  for (size_t i = 0; i < count; ++i) {
    arenas[i] = NewArena(parent);
    if (i % step != 0) continue;
    blocks[i] = static_cast<unsigned char*>(myonly_arena_alloc(arenas[i], 64));
    ASSERT_NE(blocks[i], nullptr) << i;
    blocks[i][0] = static_cast<unsigned char>(i);
    blocks[i][63] = static_cast<unsigned char>(i >> 8);
  }
  const size_t all = ResidentKib();
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  ASSERT_EQ(myonly_arena_stats(parent, &stats), MYONLY_OK);
  EXPECT_EQ(stats.children, count);
  EXPECT_EQ(stats.charged_bytes, (count + step - 1) / step * 32 * 1024);
  for (size_t i = 0; i < count; i += step) {
    ASSERT_EQ(blocks[i][0], i & 255);
    ASSERT_EQ(blocks[i][63], i >> 8 & 255);
    myonly_arena* owner = nullptr;
    ASSERT_EQ(myonly_arena_of(blocks[i], &owner), MYONLY_OK);
    ASSERT_EQ(owner, arenas[i]);
  }
  for (size_t i = 0; i < count; i += 2) {
    ASSERT_EQ(myonly_arena_destroy(arenas[i], MYONLY_DESTROY_FREE), MYONLY_OK);
    ASSERT_EQ(myonly_arena_reset(arenas[i]), MYONLY_ERR_STALE);
  }
  for (size_t i = 1; i < count; i += 2) {
    ASSERT_EQ(myonly_arena_destroy(arenas[i], MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(parent, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
  myonly_purge(0);
  const size_t after = ResidentKib();
  printf(
      "%zu arenas, an object in each %zu: %zu KiB before, %zu with them, "
      "%zu after\n",
      count, step, before, all, after);
  // An arena is a record of less than 2 KiB and its place in a table, which
  // stay for the next ones; one with an object has a page and a descriptor.
  if (kCountsPages) {
    EXPECT_LE(all - before, count * 2 + count / step * 5);
    EXPECT_LE(after - before, count * 2 + count / step / 8);
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

}  // namespace
}  // namespace myonly::testing
