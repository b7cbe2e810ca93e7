// The preset debug behind the C API: it keeps what the other presets promise.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/testing.h"

namespace myonly {
namespace {

// An arena with pages of its own and one in memory of the program, where
// blocks are larger than what was asked for.
class DebugApiTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      memory_.resize(16 << 20);
      ASSERT_EQ(myonly_arena_create_in(memory_.data(), memory_.size(), nullptr,
                                       &arena_),
                MYONLY_OK);
    } else {
      ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
    }
  }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
  // A block of at least `size` bytes, `*actual` in all, each of them 7.
  char* NewBlock(size_t size, size_t* actual) {
    auto* block = static_cast<char*>(
        myonly_arena_alloc_at_least(arena_, size, 0, actual));
    if (block != nullptr) memset(block, 7, *actual);
    return block;
  }
  static bool HasSevens(const char* block, size_t bytes) {
    return std::all_of(block, block + bytes, [](char c) { return c == 7; });
  }
  myonly_arena* arena_ = nullptr;
  std::vector<char> memory_;
};
INSTANTIATE_TEST_SUITE_P(InMemoryOfItsOwn, DebugApiTest, ::testing::Bool());

TEST_P(DebugApiTest, ReallocKeepsAllThatWasUsable) {
  for (size_t size : {1, 20, 100, 1000, 5000, 30000}) {
    size_t actual = 0;
    char* block = NewBlock(size, &actual);
    ASSERT_NE(block, nullptr);
    block = static_cast<char*>(myonly_realloc(block, actual + 5000));
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(HasSevens(block, actual)) << size;
    myonly_free(block);
  }
}

TEST_P(DebugApiTest, GrowingInPlaceKeepsAllThatWasUsable) {
  for (size_t size : {1, 20, 100, 1000, 5000, 30000}) {
    size_t actual = 0;
    char* block = NewBlock(size, &actual);
    ASSERT_NE(block, nullptr);
    const size_t before = actual;
    if (myonly_try_resize(block, before + 200, nullptr) == 1) {
      EXPECT_TRUE(HasSevens(block, before)) << size;
    }
    myonly_free(block);
  }
}

// An arena in a buffer, whose callback resets it at its limit and allocates
// until it has the place again of the block that was to grow.
class DebugDropTest : public ::testing::Test {
 protected:
  void SetUp() override {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.limit_bytes = memory_.size() / 2;
    options.on_pressure = OnPressure;
    options.ctx = this;
    ASSERT_EQ(myonly_arena_create_in(memory_.data(), memory_.size(), &options,
                                     &arena_),
              MYONLY_OK);
    block_ = myonly_arena_alloc(arena_, 3000);
    ASSERT_NE(block_, nullptr);
  }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  static void OnPressure(void* ctx, myonly_arena* arena, int32_t event) {
    auto* test = static_cast<DebugDropTest*>(ctx);
    if (event != MYONLY_PRESSURE_LIMIT || !test->drops_) return;
    test->drops_ = false;
    EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    do {
      test->next_ = myonly_arena_alloc(arena, 2990);
    } while (test->next_ != nullptr && test->next_ != test->block_);
  }
  void* Grow() {
    return myonly_arena_realloc(arena_, block_, memory_.size() - 65536);
  }
  std::vector<char> memory_ = std::vector<char>(1 << 20);
  myonly_arena* arena_ = nullptr;
  bool drops_ = false;
  void* block_ = nullptr;
  void* next_ = nullptr;
};

TEST_F(DebugDropTest, WhatIsInThePlaceOfADroppedBlockKeepsItsRecord) {
  drops_ = true;
  EXPECT_EQ(Grow(), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  ASSERT_EQ(next_, block_);
  myonly_free_sized(next_, 2990, 16);
}

TEST_F(DebugDropTest, ABlockThatIsNotDroppedKeepsItsRecord) {
  EXPECT_EQ(Grow(), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
  myonly_free_sized(block_, 3000, 16);
}

// A block that shrank and grows again has what was between for new.
TEST(DebugResizeTest, GrowingInPlaceFillsWhatIsNew) {
  for (size_t size : {300, 2000, 30000}) {
    auto* block = static_cast<unsigned char*>(myonly_alloc(size));
    ASSERT_NE(block, nullptr);
    memset(block, 7, size);
    const size_t less = size - size / 4;
    ASSERT_EQ(myonly_try_resize(block, less, nullptr), 1) << size;
    ASSERT_EQ(myonly_usable_size(block), less);
    ASSERT_EQ(myonly_try_resize(block, size, nullptr), 1) << size;
    for (size_t i = 0; i < size; ++i) {
      ASSERT_EQ(block[i], i < less ? 7 : 0xab) << size << " " << i;
    }
    myonly_free(block);
  }
}

// Though it may wait with all its bytes until it is used again.
TEST(DebugUseDeathTest, AFreedBlockIsNeitherResizedNorMeasured) {
  constexpr char kUse[] = "myonlymalloc: use of a freed block at 0x";
  for (size_t size : {40, 2000, 30000, 300000}) {
    void* block = myonly_alloc(size);
    ASSERT_NE(block, nullptr);
    myonly_free(block);
    EXPECT_DEATH(myonly_try_resize(block, size - 1, nullptr), kUse) << size;
    EXPECT_DEATH(myonly_usable_size(block), kUse) << size;
    EXPECT_DEATH(myonly_realloc(block, size - 1), kUse) << size;
  }
}

// It moves them all, so that who still uses the old address is found.
TEST(DebugResizeTest, WhatReallocMovesIsFreed) {
  for (size_t size : {40, 300, 2000, 30000}) {
    auto* block = static_cast<char*>(myonly_alloc(size));
    ASSERT_NE(block, nullptr);
    memset(block, 7, size);
    volatile const char* old = block;
    asm volatile("" : "+r"(old) : : "memory");
    auto* moved = static_cast<char*>(myonly_realloc(block, size + 1));
    ASSERT_NE(moved, nullptr);
    EXPECT_EQ(moved[size - 1], 7);
    for (size_t i = 0; i < size; ++i) {
      ASSERT_EQ(static_cast<unsigned char>(old[i]), 0xdf) << size << " " << i;
    }
    myonly_free(moved);
  }
}

// It moves blocks that shrink or stay as they are, but where that would be a
// request.
TEST(DebugSectionTest, StayingAndShrinkingAreNoRequests) {
  for (size_t size : {100, 2000, 40000, 100000}) {
    auto* block = static_cast<char*>(myonly_alloc(size));
    ASSERT_NE(block, nullptr);
    memset(block, 7, size);
    ASSERT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_ABORT), MYONLY_OK);
    block = static_cast<char*>(myonly_realloc(block, size));
    block = static_cast<char*>(myonly_realloc(block, size / 3));
    EXPECT_EQ(myonly_no_alloc_end(), MYONLY_OK);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block[size / 3 - 1], 7);
    myonly_free_sized(block, size / 3, 16);
  }
}

TEST(DebugBatchTest, EachOfABatchIsABlockLikeOthers) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  for (const bool of_arena : {false, true}) {
    void* blocks[10] = {};
    ASSERT_EQ(of_arena ? myonly_arena_alloc_batch(arena, 100, blocks, 10)
                       : myonly_alloc_batch(100, blocks, 10),
              10U);
    for (void* block : blocks) {
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(myonly_usable_size(block), 100U);
      EXPECT_EQ(*static_cast<unsigned char*>(block), 0xab);
    }
    EXPECT_EQ(std::set<void*>(blocks, blocks + 10).size(), 10U);
    myonly_free_batch(blocks, 10);
    EXPECT_DEATH(myonly_free(blocks[9]), "double free at 0x");
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// With a large alignment they come as pages, all of which may be asked for, and
// have no canary behind them that could be looked at while they wait.
TEST(DebugPagesTest, ABlockOfWholePagesIsFreedInPeace) {
  for (size_t alignment = 4096; alignment <= size_t{64} << 20; alignment *= 2) {
    for (size_t size : {1, 5000, 20000}) {
      size_t actual = 0;
      void* block = myonly_alloc_at_least(size, alignment, &actual);
      ASSERT_NE(block, nullptr);
      ASSERT_EQ(myonly_try_resize(block, actual, nullptr), 1);
      memset(block, 7, actual);
      myonly_free(block);
      for (int i = 0; i < 20; ++i) myonly_free(myonly_alloc(100));
    }
  }
}

}  // namespace
}  // namespace myonly
