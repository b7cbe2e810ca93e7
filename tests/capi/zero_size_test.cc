// Blocks of no bytes, through malloc, operator new and the C API.
#include <csignal>
#include <cstdlib>
#include <new>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/preset.h"

namespace myonly {
namespace {

// Not known to the compiler, which leaves calls out that it understands.
template <typename T>
T Hidden(T value) {
  asm volatile("" : "+r"(value));
  return value;
}
constexpr bool kFaults = internal::kChecksObjects;
constexpr char kFast[] = "in fast they are blocks like others";
const size_t kZero = Hidden(size_t{0});

uint64_t LiveBlocks() {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(nullptr, &stats), MYONLY_OK);
  return stats.live_blocks;
}

TEST(ZeroSizeTest, EachIsAnotherAndHasNoBytes) {
  std::vector<void*> blocks;
  for (int i = 0; i < 100; ++i) {
    blocks.push_back(malloc(kZero));
    blocks.push_back(calloc(kZero, 100));
    blocks.push_back(calloc(100, kZero));
    blocks.push_back(realloc(nullptr, kZero));
    blocks.push_back(myonly_alloc(kZero));
    blocks.push_back(operator new(kZero));
  }
  EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(),
            blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    void* block = blocks[i];
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 16, 0U);
    EXPECT_EQ(myonly_usable_size(block), kFaults ? 0U : 16U);
    // Debug wants delete for what new has made.
    i % 6 == 5 ? operator delete(block) : free(block);
  }
}

TEST(ZeroSizeTest, AnAlignmentThatAllBlocksHaveChangesNothing) {
  void* block = aligned_alloc(16, kZero);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(myonly_usable_size(block), kFaults ? 0U : 16U);
  free(block);
}

TEST(ZeroSizeTest, TheyCountAsLiveBlocks) {
  const uint64_t before = LiveBlocks();
  void* blocks[40];
  for (void*& block : blocks) block = malloc(kZero);
  EXPECT_GE(LiveBlocks(), before + 40);
  for (void* block : blocks) free(block);
  EXPECT_LT(LiveBlocks(), before + 40);
}

TEST(ZeroSizeTest, TheyGrowByBeingMoved) {
  if (!kFaults) GTEST_SKIP() << kFast;
  char* block = static_cast<char*>(malloc(kZero));
  EXPECT_EQ(myonly_try_resize(block, 1, nullptr), 0);
  EXPECT_EQ(myonly_try_resize(block, 0, nullptr), 1);
  char* moved = static_cast<char*>(realloc(block, 100));
  ASSERT_NE(moved, nullptr);
  EXPECT_NE(moved, block);
  for (int i = 0; i < 100; ++i) moved[i] = 1;
  EXPECT_EQ(realloc(moved, 0), nullptr);
  void* whole = realloc(malloc(kZero), 100000);
  ASSERT_NE(whole, nullptr);
  free(whole);
}

TEST(ZeroSizeTest, DeleteWithTheirSize) {
  operator delete(operator new(kZero), kZero);
  operator delete[](operator new[](kZero), kZero);
  int* none = new int[kZero];
  delete[] none;
}

TEST(ZeroSizeTest, QuestionsKnowThem) {
  if (!kFaults) GTEST_SKIP() << kFast;
  void* block = malloc(kZero);
  myonly_block_info info = MYONLY_BLOCK_INFO_INIT;
  ASSERT_EQ(myonly_block_of(block, &info), MYONLY_OK);
  EXPECT_EQ(info.start, block);
  EXPECT_EQ(info.size, 0U);
  bool seen = false;
  struct Search {
    void* wanted;
    bool* seen;
  } search = {block, &seen};
  EXPECT_EQ(myonly_arena_walk(
                nullptr, nullptr,
                [](void* context, const myonly_block_info* found) {
                  auto* what = static_cast<Search*>(context);
                  if (found->start == what->wanted) *what->seen = true;
                  return 0;
                },
                &search),
            MYONLY_OK);
  EXPECT_TRUE(seen);
  free(block);
  EXPECT_EQ(myonly_block_of(block, &info), MYONLY_ERR_INVALID);
}

TEST(ZeroSizeTest, ThereMayBeVeryMany) {
  std::vector<void*> blocks;
  for (int i = 0; i < 200000; ++i) blocks.push_back(malloc(kZero));
  EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(),
            blocks.size());
  for (void* block : blocks) free(block);
}

TEST(ZeroSizeDeathTest, ATouchFaultsThere) {
  if (!kFaults) GTEST_SKIP() << kFast;
  volatile char* block = static_cast<char*>(malloc(kZero));
  EXPECT_EXIT(block[0] = 1, ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT((void)block[0], ::testing::KilledBySignal(SIGSEGV), "");
  free(const_cast<char*>(block));
  EXPECT_EXIT((void)block[0], ::testing::KilledBySignal(SIGSEGV), "");
}

TEST(ZeroSizeDeathTest, BadFreesAreReported) {
  if (!kFaults) GTEST_SKIP() << kFast;
  char* block = static_cast<char*>(malloc(kZero));
  EXPECT_DEATH(free(Hidden(block) + 8), "free of an address inside a block");
  void* of_new = operator new(kZero);
  EXPECT_DEATH(operator delete(Hidden(of_new), 16), "free with a wrong size");
  operator delete(of_new);
  free(block);
  EXPECT_DEATH(free(Hidden(block)), "double free");
  // What debug says: docs/errors.md.
  EXPECT_DEATH(Hidden(realloc(Hidden(block), 10)),
               testing::kIsDebug ? "use of a freed block" : "double free");
}

}  // namespace
}  // namespace myonly
