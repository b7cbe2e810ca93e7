// Aligned blocks of an arena by a thread that has a share of it, with objects
// of all sizes at hand.
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

class ArenaAlignedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
    std::vector<void*> blocks;
    for (size_t size = 1; size <= 1024; size += 15) {
      for (int i = 0; i < 100; ++i) {
        blocks.push_back(myonly_arena_alloc(arena_, size));
        ASSERT_NE(blocks.back(), nullptr);
      }
    }
    for (size_t i = 0; i < blocks.size(); i += 2) myonly_free(blocks[i]);
  }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  // Writes all of it.
  void ExpectAligned(void* ptr, size_t alignment, size_t size) {
    ASSERT_NE(ptr, nullptr) << alignment << " " << size;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(ptr) % alignment, 0u)
        << alignment << " " << size;
    EXPECT_GE(myonly_usable_size(ptr), size);
    memset(ptr, 'x', size);
    myonly_arena* owner = nullptr;
    EXPECT_EQ(myonly_arena_of(ptr, &owner), MYONLY_OK);
    EXPECT_EQ(owner, arena_);
  }

  myonly_arena* arena_ = nullptr;
};

TEST_F(ArenaAlignedTest, EverySizeWithEveryAlignment) {
  for (size_t alignment = 1; alignment <= 8192; alignment *= 2) {
    for (size_t size = 1; size <= 3000; size += 37) {
      for (int i = 0; i < 5; ++i) {
        ExpectAligned(myonly_arena_aligned_alloc(arena_, alignment, size),
                      alignment, size);
      }
    }
  }
}

TEST_F(ArenaAlignedTest, ZeroedBlocksAreZeroWhereOthersWere) {
  for (size_t size = 1; size <= 3000; size += 7) {
    auto* ptr = static_cast<char*>(myonly_arena_calloc(arena_, 1, size));
    ASSERT_NE(ptr, nullptr);
    EXPECT_TRUE(std::all_of(ptr, ptr + size, [](char c) { return c == 0; }))
        << size;
    ExpectAligned(ptr, 16, size);
    if (size % 2 == 0) myonly_free(ptr);
  }
}

}  // namespace
