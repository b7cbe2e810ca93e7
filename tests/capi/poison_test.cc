// Arenas whose blocks fault when they are touched after a reset or destroy.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/resident.h"

namespace {

using myonly::testing::ResidentBytes;

constexpr size_t kMiB = size_t{1} << 20;

myonly_arena* NewArena(size_t limit_bytes = 0) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.flags = MYONLY_ARENA_POISON_ON_RESET;
  options.limit_bytes = limit_bytes;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  return arena;
}

volatile char* Allocate(myonly_arena* arena, size_t size) {
  auto* block = static_cast<char*>(myonly_arena_alloc(arena, size));
  EXPECT_NE(block, nullptr);
  if (block != nullptr) memset(block, 1, size);
  return block;
}

class PoisonDeathTest : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, PoisonDeathTest,
                         ::testing::Values(1, 24, 1000, 5000, 60000, 100000,
                                           4 * kMiB, 20 * kMiB));

TEST_P(PoisonDeathTest, ABlockFaultsAfterReset) {
  myonly_arena* arena = NewArena();
  // Many, as a thread gets a share of other arenas by then.
  for (int i = 0; i < 500; ++i) myonly_free(myonly_arena_alloc(arena, 24));
  volatile char* block = Allocate(arena, GetParam());
  ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  EXPECT_EXIT(block[0], ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(block[GetParam() - 1] = 1, ::testing::KilledBySignal(SIGSEGV),
              "");
  // Also when the process has grown, and the arena is in use again.
  std::vector<void*> others;
  for (int i = 0; i < 2000; ++i) others.push_back(myonly_alloc(40000));
  for (int i = 0; i < 100; ++i) Allocate(arena, GetParam() % 70000);
  EXPECT_EXIT(block[0], ::testing::KilledBySignal(SIGSEGV), "");
  for (void* other : others) myonly_free(other);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST_P(PoisonDeathTest, ABlockFaultsAfterDestroy) {
  myonly_arena* arena = NewArena();
  volatile char* block = Allocate(arena, GetParam());
  ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EXIT(block[0], ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(myonly_free(const_cast<char*>(block)),
              ::testing::KilledBySignal(SIGABRT), "myonlymalloc: ");
}

size_t CountMappings() {
  FILE* file = fopen("/proc/self/maps", "r");
  if (file == nullptr) return 0;
  size_t lines = 0;
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

// What faults holds addresses only, and not for ever.
TEST(PoisonTest, ManyResetsHoldNoMemory) {
  myonly_arena* arena = NewArena();
  const size_t before = ResidentBytes();
  for (int round = 0; round < 6000; ++round) {
    Allocate(arena, 100);
    Allocate(arena, 200000);
    if (round % 50 == 0) Allocate(arena, 10 * kMiB);
    ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  }
  EXPECT_LT(ResidentBytes(), before + 16 * kMiB);
  EXPECT_LT(CountMappings(), 10000u);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(PoisonTest, TheLimitCountsWhatLivesOnly) {
  myonly_arena* arena = NewArena(kMiB);
  for (int round = 0; round < 100; ++round) {
    size_t blocks = 0;
    while (void* block = myonly_arena_alloc(arena, 5000)) {
      memset(block, 1, 5000);
      ++blocks;
    }
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
    EXPECT_GT(blocks, 150u);
    ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// A reset of one leaves the blocks of others alone.
TEST(PoisonTest, OthersAreNotTouched) {
  myonly_arena* first = NewArena();
  myonly_arena* second = NewArena();
  std::vector<volatile char*> kept;
  for (size_t size : {24, 5000, 100000}) {
    for (int i = 0; i < 50; ++i) {
      Allocate(first, size);
      kept.push_back(Allocate(second, size));
    }
  }
  ASSERT_EQ(myonly_arena_reset(first), MYONLY_OK);
  for (volatile char* block : kept) EXPECT_EQ(block[0], 1);
  EXPECT_EQ(myonly_arena_destroy(first, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(second), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(second, MYONLY_DESTROY_FREE), MYONLY_OK);
}

}  // namespace
