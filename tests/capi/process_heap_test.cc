// The functions of the process heap, beyond what the conformance suite asks of
// every heap.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <set>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr int kErrnoBefore = 77;
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kMax = SIZE_MAX;
const size_t kSizes[] = {0, 1, 15, 16, 100, 1024, 5000, 70000, kMiB, 12 * kMiB};

bool IsAligned(const void* ptr, size_t alignment) {
  return reinterpret_cast<uintptr_t>(ptr) % alignment == 0;
}

// Checks what a failed call leaves: NULL, errno and the status.
void ExpectFailed(const void* ptr, int error, myonly_status status) {
  EXPECT_EQ(ptr, nullptr);
  EXPECT_EQ(errno, error);
  EXPECT_EQ(myonly_last_status(), status);
  errno = kErrnoBefore;
}

TEST(ProcessHeapTest, FailuresSetErrnoAndStatus) {
  errno = kErrnoBefore;
  ExpectFailed(myonly_alloc(kMax), ENOMEM, MYONLY_ERR_NOMEM);
  ExpectFailed(myonly_alloc(PTRDIFF_MAX), ENOMEM, MYONLY_ERR_NOMEM);
  ExpectFailed(myonly_calloc(kMax / 2, 3), ENOMEM, MYONLY_ERR_NOMEM);
  ExpectFailed(myonly_realloc(nullptr, kMax), ENOMEM, MYONLY_ERR_NOMEM);
  ExpectFailed(myonly_aligned_alloc(64, kMax), ENOMEM, MYONLY_ERR_NOMEM);
  ExpectFailed(myonly_aligned_alloc(0, 10), EINVAL, MYONLY_ERR_INVALID);
  ExpectFailed(myonly_aligned_alloc(24, 10), EINVAL, MYONLY_ERR_INVALID);
  ExpectFailed(myonly_aligned_alloc(24, kMax), EINVAL, MYONLY_ERR_INVALID);
}

TEST(ProcessHeapTest, SuccessLeavesErrnoAlone) {
  errno = kErrnoBefore;
  for (size_t size : kSizes) {
    void* block = myonly_realloc(myonly_alloc(size), size * 2 + 1);
    ASSERT_NE(block, nullptr);
    myonly_free(block);
    myonly_free(myonly_calloc(size, 1));
    myonly_free_sized(myonly_aligned_alloc(512, size), size, 512);
  }
  myonly_free(nullptr);
  myonly_free_sized(nullptr, 10, 0);
  myonly_purge(0);
  EXPECT_EQ(errno, kErrnoBefore);
}

TEST(ProcessHeapTest, FailedReallocKeepsTheBlock) {
  auto* block = static_cast<char*>(myonly_alloc(100));
  memset(block, 'k', 100);
  errno = kErrnoBefore;
  ExpectFailed(myonly_realloc(block, kMax), ENOMEM, MYONLY_ERR_NOMEM);
  EXPECT_EQ(std::count(block, block + 100, 'k'), 100);
  EXPECT_EQ(myonly_realloc(block, 0), nullptr);
  EXPECT_EQ(errno, kErrnoBefore);
}

TEST(AllocAtLeastTest, AllItTellsMayBeUsed) {
  for (size_t size : kSizes) {
    for (size_t alignment : {0, 1, 16, 64, 4096}) {
      size_t actual = 0;
      void* block = myonly_alloc_at_least(size, alignment, &actual);
      ASSERT_NE(block, nullptr);
      EXPECT_GE(actual, size);
      EXPECT_EQ(actual, myonly_usable_size(block));
      EXPECT_TRUE(IsAligned(block, std::max<size_t>(alignment, 16)));
      memset(block, 1, actual);
      myonly_free_sized(block, actual, alignment);
    }
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST(AllocAtLeastTest, FailureTellsZero) {
  size_t actual = 5;
  errno = kErrnoBefore;
  ExpectFailed(myonly_alloc_at_least(kMax, 0, &actual), ENOMEM,
               MYONLY_ERR_NOMEM);
  EXPECT_EQ(actual, 0u);
  actual = 5;
  ExpectFailed(myonly_alloc_at_least(10, 48, &actual), EINVAL,
               MYONLY_ERR_INVALID);
  EXPECT_EQ(actual, 0u);
  void* block = myonly_alloc_at_least(10, 0, nullptr);
  EXPECT_NE(block, nullptr);
  myonly_free(block);
}

TEST(TryResizeTest, NeverMovesAndKeepsContents) {
  for (size_t size : kSizes) {
    if (size == 0) continue;
    auto* block = static_cast<char*>(myonly_alloc(size));
    memset(block, 't', size);
    size_t actual = 0;
    // Smaller always fits, but for pages that have one that faults behind them.
    const bool is_run = size > 64 * 1024 && size <= 4 * kMiB;
    EXPECT_EQ(myonly_try_resize(block, size / 2, &actual),
              myonly::internal::kIsSecure && is_run ? 0 : 1);
    EXPECT_GE(actual, size / 2);
    EXPECT_EQ(actual, myonly_usable_size(block));
    const int grown = myonly_try_resize(block, size * 4, &actual);
    EXPECT_EQ(actual, myonly_usable_size(block));
    EXPECT_EQ(grown == 1, actual >= size * 4);
    EXPECT_EQ(std::count(block, block + size / 2, 't'),
              static_cast<long>(size / 2));
    EXPECT_EQ(myonly_try_resize(block, kMax, nullptr), 0);
    memset(block, 'u', actual);
    myonly_free(block);
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST(TryResizeTest, OfNullIsInvalid) {
  size_t actual = 5;
  EXPECT_EQ(myonly_try_resize(nullptr, 10, &actual), 0);
  EXPECT_EQ(actual, 0u);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
}

TEST(UsableSizeTest, OfNullIsZero) {
  EXPECT_EQ(myonly_usable_size(nullptr), 0u);
}

TEST(BatchTest, GivesAsManyAsAsked) {
  for (size_t size : {size_t{0}, size_t{40}, size_t{3000}, 2 * kMiB}) {
    std::vector<void*> blocks(50);
    ASSERT_EQ(myonly_alloc_batch(size, blocks.data(), 50), 50u);
    EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(), 50u);
    for (void* block : blocks) {
      EXPECT_GE(myonly_usable_size(block), size);
      memset(block, 1, size);
    }
    blocks[7] = nullptr;
    blocks[49] = nullptr;
    myonly_free_batch(blocks.data(), blocks.size());
  }
}

TEST(BatchTest, NoneIsNone) {
  EXPECT_EQ(myonly_alloc_batch(10, nullptr, 0), 0u);
  myonly_free_batch(nullptr, 0);
  void* blocks[3];
  errno = kErrnoBefore;
  EXPECT_EQ(myonly_alloc_batch(kMax, blocks, 3), 0u);
  ExpectFailed(nullptr, ENOMEM, MYONLY_ERR_NOMEM);
}

TEST(CallocTest, ReusedMemoryIsZero) {
  for (size_t size : kSizes) {
    for (int round = 0; round < 3; ++round) {
      size_t actual = 0;
      void* dirty = myonly_alloc_at_least(size, 0, &actual);
      memset(dirty, 0xff, actual);
      myonly_free(dirty);
      auto* block = static_cast<char*>(myonly_calloc(1, size));
      EXPECT_EQ(std::count(block, block + size, 0), static_cast<long>(size));
      myonly_free(block);
    }
  }
}

TEST(AlignedTest, HugeAlignmentsAndSizes) {
  for (size_t alignment = 16; alignment <= 256 * kMiB; alignment *= 4) {
    for (size_t size : {size_t{1}, 9 * kMiB, 33 * kMiB}) {
      auto* block = static_cast<char*>(myonly_aligned_alloc(alignment, size));
      ASSERT_NE(block, nullptr) << alignment << " " << size;
      EXPECT_TRUE(IsAligned(block, alignment));
      block[0] = 1;
      block[size - 1] = 2;
      block = static_cast<char*>(myonly_realloc(block, size + 5 * kMiB));
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(block[0], size == 1 ? 2 : 1);
      EXPECT_EQ(block[size - 1], 2);
      myonly_free(block);
    }
  }
}

// Beside ours; a block of one heap never lands in the other's functions.
TEST(ProcessHeapTest, IsNotMalloc) {
  void* block = malloc(100);
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_of(block, &arena), MYONLY_ERR_INVALID);
  free(block);
}

TEST(PurgeTest, GivesFreeMemoryBack) {
  myonly_purge(0);
  std::vector<void*> blocks(2000);
  ASSERT_EQ(myonly_alloc_batch(10000, blocks.data(), 2000), 2000u);
  for (void* block : blocks) memset(block, 1, 10000);
  myonly_free_batch(blocks.data(), blocks.size());
  const size_t first = myonly_purge(0);
  EXPECT_GT(first, size_t{2000} * 10000 / 2);
  // Pages inside regions are counted each time, those of whole runs once.
  EXPECT_LT(myonly_purge(0), first / 10);
}

}  // namespace
