// What has a size already gets it in place, and so does what has twice that.
#include <cstddef>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/preset.h"

namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Also of blocks that have more than their size because of their alignment.
TEST(ResizeToSameTest, IsDoneInPlace) {
  for (size_t alignment = 16; alignment <= 64 * kMiB; alignment *= 2) {
    for (size_t size :
         {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{100},
          size_t{1024}, size_t{5000}, size_t{70000}, kMiB, 12 * kMiB}) {
      size_t actual = 0;
      void* block = myonly_alloc_at_least(size, alignment, &actual);
      ASSERT_NE(block, nullptr);
      const size_t before = actual;
      EXPECT_EQ(myonly_try_resize(block, before, &actual), 1)
          << size << ' ' << alignment;
      EXPECT_EQ(actual, before);
      // To no bytes frees.
      if (before != 0) {
        void* same = myonly_realloc(block, before);
        // Debug moves what is of up to 64 KiB, to show stale pointers.
        if (myonly::testing::kIsDebug && same != block) {
          EXPECT_LE(before, size_t{64} << 10);
          block = same;
        }
        ASSERT_EQ(same, block) << size << ' ' << alignment;
      }
      myonly_free(block);
    }
  }
}

TEST(ResizeToHalfTest, IsDoneInPlace) {
  for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
    for (size_t size : {15, 16, 100, 500, 1024, 3000, 5000, 20000, 60000}) {
      size_t before = 0;
      void* block = myonly_alloc_at_least(size, alignment, &before);
      ASSERT_NE(block, nullptr);
      const size_t wanted = before / 2 + 1;
      size_t actual = 0;
      EXPECT_EQ(myonly_try_resize(block, wanted, &actual), 1)
          << size << ' ' << alignment;
      EXPECT_GE(actual, wanted);
      EXPECT_EQ(actual, myonly_usable_size(block));
      myonly_free(block);
    }
  }
}

// What it had in it when it was free tells nothing: fast leaves that there.
TEST(ResizeReusedTest, AnObjectThatWasFreeBeforeIsLive) {
  for (int round = 0; round < 2; ++round) {
    void* blocks[200];
    for (void*& block : blocks) block = myonly_alloc(24);
    for (void* block : blocks) {
      size_t actual = 0;
      EXPECT_EQ(myonly_try_resize(block, 24, &actual), 1);
      EXPECT_GE(actual, 24U);
    }
    for (void* block : blocks) myonly_free(block);
  }
}

}  // namespace
