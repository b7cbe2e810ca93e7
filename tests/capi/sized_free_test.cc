// Whoever names the right size may free: what was asked for, by whatever call,
// or what the library has told.
#include <cstddef>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/preset.h"

namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Calls use(size, alignment) with sizes of every kind, and alignments that give
// small ones far more than they need.
template <typename Use>
void ForAll(Use use) {
  for (size_t alignment = 16; alignment <= 4 * kMiB; alignment *= 2) {
    for (size_t size : {size_t{1}, size_t{50}, size_t{1000}, size_t{5000},
                        size_t{40000}, size_t{100000}, 6 * kMiB}) {
      SCOPED_TRACE(::testing::Message() << size << ' ' << alignment);
      use(size, alignment);
    }
  }
}

TEST(SizedFreeTest, AlignmentZeroMeansAny) {
  ForAll([](size_t size, size_t alignment) {
    void* block = myonly_aligned_alloc(alignment, size);
    ASSERT_NE(block, nullptr);
    myonly_free_sized(block, size, 0);
  });
}

TEST(SizedFreeTest, TakesWhatReallocWasAskedFor) {
  ForAll([](size_t size, size_t alignment) {
    for (const size_t less : {size, size - size / 4, size / 2, size / 9}) {
      void* block = myonly_aligned_alloc(alignment, size);
      const size_t bytes = less == 0 ? 1 : less;
      block = myonly_realloc(block, bytes);
      ASSERT_NE(block, nullptr);
      myonly_free_sized(block, bytes, 0);
    }
  });
}

TEST(SizedFreeTest, TakesWhatItWasTold) {
  ForAll([](size_t size, size_t alignment) {
    size_t actual;
    void* block = myonly_alloc_at_least(size, alignment, &actual);
    ASSERT_NE(block, nullptr);
    myonly_free_sized(block, actual, 0);
    block = myonly_alloc_at_least(size, alignment, &actual);
    myonly_free_sized(block, actual, alignment);
    block = myonly_aligned_alloc(alignment, size);
    myonly_free_sized(block, myonly_usable_size(block), alignment);
  });
}

// Small blocks that objects of a size class serve: far larger, by luck.
TEST(SizedFreeTest, AlignmentZeroMeansAnyAlsoWhereObjectsServe) {
  ForAll([](size_t size, size_t alignment) {
    if (alignment > 512 || size > 1000) return;
    for (int i = 0; i < 100; ++i) (void)myonly_alloc(alignment);
    for (int i = 0; i < 100; ++i) {
      void* block = myonly_aligned_alloc(alignment, size);
      ASSERT_NE(block, nullptr);
      myonly_free_sized(block, size, 0);
    }
  });
}

TEST(SizedFreeTest, TakesWhatItWasResizedTo) {
  ForAll([](size_t size, size_t alignment) {
    for (size_t more : {size + 1, size + size / 20, size + size / 2}) {
      void* block = myonly_aligned_alloc(alignment, size);
      ASSERT_NE(block, nullptr);
      size_t actual;
      if (myonly_try_resize(block, more, &actual) == 0) more = size;
      myonly_free_sized(block, more, alignment);
    }
  });
}

TEST(SizedFreeDeathTest, AnAlignmentThatIsNoneIsReported) {
  if (!myonly::internal::kChecksObjects) {
    GTEST_SKIP() << "fast does not check sizes";
  }
  for (size_t size : {size_t{100}, size_t{5000}, size_t{200000}}) {
    void* block = myonly_alloc(size);
    for (size_t alignment : {size_t{3}, size_t{24}, size_t{1} << 40}) {
      EXPECT_DEATH(myonly_free_sized(block, size, alignment),
                   "free with a wrong alignment");
    }
    myonly_free(block);
  }
}

TEST(SizedFreeDeathTest, AWrongSizeIsReported) {
  if (!myonly::internal::kChecksObjects) {
    GTEST_SKIP() << "fast does not check sizes";
  }
  void* block = myonly_aligned_alloc(4 * kMiB, 5000);
  EXPECT_DEATH(myonly_free_sized(block, 3000, 0), "free with a wrong size");
  EXPECT_DEATH(myonly_free_sized(block, 13000, 0), "free with a wrong size");
  myonly_free(block);
}

}  // namespace
