// What holds for every allocator of the project, whichever way it is called.
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/conformance/heap.h"

namespace myonly::testing {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kLargeMax = 8 * kMiB;

// Sizes of every store, and those next to where one store gives way to another.
std::vector<size_t> Sizes() {
  std::vector<size_t> sizes = {0, 1, 7, 8, 9, 15, 16, 17, 24, 100};
  for (size_t size = 32; size <= 4 * kLargeMax; size *= 2) {
    for (const size_t step : {size_t{0}, size_t{1}, size_t{8}, size_t{16}}) {
      sizes.push_back(size - step);
      sizes.push_back(size + step);
    }
    sizes.push_back(size + size / 2);
  }
  return sizes;
}

bool IsAligned(const void* block, size_t alignment) {
  return reinterpret_cast<uintptr_t>(block) % alignment == 0;
}

// Byte `i` of block number `tag`.
char PatternByte(size_t tag, size_t i) {
  return static_cast<char>(tag * 31 + i * 7 + (i >> 8));
}

void Fill(void* block, size_t bytes, size_t tag) {
  auto* chars = static_cast<char*>(block);
  for (size_t i = 0; i < bytes; ++i) chars[i] = PatternByte(tag, i);
}

// True if the first `bytes` of the block are as Fill left them.
bool Holds(const void* block, size_t bytes, size_t tag) {
  const auto* chars = static_cast<const char*>(block);
  for (size_t i = 0; i < bytes; ++i) {
    if (chars[i] != PatternByte(tag, i)) return false;
  }
  return true;
}

bool IsZero(const void* block, size_t bytes) {
  const auto* chars = static_cast<const char*>(block);
  return bytes == 0 ||
         (chars[0] == 0 && memcmp(chars, chars + 1, bytes - 1) == 0);
}

TEST_P(HeapConformanceTest, BlocksOfEverySizeAreAlignedAndWritable) {
  for (const size_t size : Sizes()) {
    void* block = heap().Allocate(size);
    ASSERT_NE(block, nullptr) << size;
    EXPECT_TRUE(IsAligned(block, 16)) << size;
    memset(block, 0xa5, size);
    heap().Free(block);
  }
}

TEST_P(HeapConformanceTest, UsableSizeCoversTheRequestAndMayBeUsed) {
  for (const size_t size : Sizes()) {
    void* before = heap().Allocate(size);
    void* block = heap().Allocate(size);
    void* after = heap().Allocate(size);
    ASSERT_TRUE(before && block && after) << size;
    const size_t usable = heap().UsableSize(block);
    EXPECT_GE(usable, size);
    memset(block, 0x5a, usable);
    EXPECT_EQ(heap().UsableSize(block), usable);
    heap().Free(before);
    heap().Free(after);
    heap().Free(block);
  }
  EXPECT_EQ(heap().UsableSize(nullptr), 0u);
}

TEST_P(HeapConformanceTest, SizeZeroGivesABlockOfItsOwn) {
  void* first = heap().Allocate(0);
  void* second = heap().Allocate(0);
  void* zeroed = heap().AllocateZeroed(0, 8);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr);
  EXPECT_NE(zeroed, nullptr);
  EXPECT_NE(first, second);
  EXPECT_NE(first, zeroed);
  heap().Free(zeroed);
  heap().Free(second);
  heap().Free(first);
}

TEST_P(HeapConformanceTest, FreeOfNullDoesNothing) {
  heap().Free(nullptr);
  EXPECT_TRUE(heap().Check());
}

TEST_P(HeapConformanceTest, FreeKeepsErrno) {
  for (const size_t size : {size_t{1}, 4 * kKiB, kMiB, 64 * kMiB}) {
    void* block = heap().Allocate(size);
    ASSERT_NE(block, nullptr);
    errno = 4711;
    heap().Free(block);
    EXPECT_EQ(errno, 4711) << size;
  }
}

TEST_P(HeapConformanceTest, ZeroedBlocksAreZeroWhereDirtyOnesWereFreed) {
  for (const size_t size : Sizes()) {
    void* dirty = heap().Allocate(size);
    ASSERT_NE(dirty, nullptr) << size;
    memset(dirty, 0xff, heap().UsableSize(dirty));
    heap().Free(dirty);
    void* block = heap().AllocateZeroed(1, size);
    ASSERT_NE(block, nullptr) << size;
    EXPECT_TRUE(IsZero(block, size)) << size;
    heap().Free(block);
  }
}

TEST_P(HeapConformanceTest, ZeroedBlocksCountTimesSizeLarge) {
  void* block = heap().AllocateZeroed(30, 37);
  ASSERT_NE(block, nullptr);
  EXPECT_GE(heap().UsableSize(block), 30u * 37u);
  EXPECT_TRUE(IsZero(block, 30 * 37));
  heap().Free(block);
}

TEST_P(HeapConformanceTest, ProductsThatOverflowAreRefused) {
  const size_t half = size_t{1} << 32;
  for (const auto& [count, size] : std::vector<std::pair<size_t, size_t>>{
           {half, half}, {SIZE_MAX, 2}, {2, SIZE_MAX}, {half + 1, half - 1}}) {
    errno = 0;
    EXPECT_EQ(heap().AllocateZeroed(count, size), nullptr);
    EXPECT_TRUE(SaidNoMemory());
  }
}

TEST_P(HeapConformanceTest, SizesBeyondTheAddressSpaceAreRefused) {
  for (const size_t size :
       {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 4096, SIZE_MAX / 2,
        SIZE_MAX / 2 + 1, SIZE_MAX / 2 - 4096, SIZE_MAX / 4}) {
    errno = 0;
    EXPECT_EQ(heap().Allocate(size), nullptr) << size;
    EXPECT_TRUE(SaidNoMemory()) << size;
    errno = 0;
    EXPECT_EQ(heap().AllocateAligned(64, size), nullptr) << size;
    EXPECT_TRUE(SaidNoMemory()) << size;
    errno = 0;
    EXPECT_EQ(heap().AllocateAligned(kMiB, size), nullptr) << size;
    EXPECT_TRUE(SaidNoMemory()) << size;
  }
}

TEST_P(HeapConformanceTest, ReallocThatFailsLeavesTheBlockAlone) {
  for (const size_t size : {size_t{100}, 8 * kKiB, kMiB, 2 * kLargeMax}) {
    void* block = heap().Allocate(size);
    ASSERT_NE(block, nullptr);
    Fill(block, size, 1);
    for (const size_t target : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - 31}) {
      errno = 0;
      EXPECT_EQ(heap().Reallocate(block, target), nullptr);
      EXPECT_TRUE(SaidNoMemory());
    }
    EXPECT_TRUE(Holds(block, size, 1)) << size;
    heap().Free(block);
  }
}

TEST_P(HeapConformanceTest, ReallocKeepsContentsBetweenAllStores) {
  const std::vector<size_t> sizes = {
      1,         24,        100,        1 * kKiB, 5 * kKiB, 60 * kKiB,
      64 * kKiB, 70 * kKiB, 500 * kKiB, 3 * kMiB, 9 * kMiB, 20 * kMiB};
  for (const size_t from : sizes) {
    for (const size_t to : sizes) {
      void* block = heap().Allocate(from);
      ASSERT_NE(block, nullptr);
      const size_t kept = std::min(from, to);
      Fill(block, kept, from);
      void* moved = heap().Reallocate(block, to);
      ASSERT_NE(moved, nullptr);
      EXPECT_TRUE(Holds(moved, kept, from)) << from << " to " << to;
      EXPECT_GE(heap().UsableSize(moved), to);
      EXPECT_TRUE(IsAligned(moved, 16));
      heap().Free(moved);
    }
  }
}

TEST_P(HeapConformanceTest, ReallocGrowsStepByStepBesideOthers) {
  void* growing = heap().Allocate(1);
  ASSERT_NE(growing, nullptr);
  size_t size = 1;
  Fill(growing, size, 5);
  while (size < 2 * kMiB) {
    void* other = heap().Allocate(size / 3);
    ASSERT_NE(other, nullptr);
    memset(other, 0xee, size / 3);
    const size_t next = size + size / 7 + 1;
    growing = heap().Reallocate(growing, next);
    ASSERT_NE(growing, nullptr);
    ASSERT_TRUE(Holds(growing, size, 5)) << size;
    Fill(growing, next, 5);
    size = next;
    heap().Free(other);
  }
  heap().Free(growing);
}

TEST_P(HeapConformanceTest, AlignmentsArePowersOfTwoUpToMegabytes) {
  for (size_t alignment = 1; alignment <= 4 * kMiB; alignment *= 2) {
    std::vector<void*> blocks;
    for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, alignment,
                              3 * alignment + 8, size_t{70000}, 9 * kMiB}) {
      void* block = heap().AllocateAligned(alignment, size);
      ASSERT_NE(block, nullptr) << alignment << ' ' << size;
      EXPECT_TRUE(IsAligned(block, std::max<size_t>(alignment, 16)))
          << alignment << ' ' << size;
      EXPECT_GE(heap().UsableSize(block), size);
      Fill(block, size, blocks.size());
      blocks.push_back(block);
    }
    EXPECT_TRUE(heap().Check());
    for (void* block : blocks) heap().Free(block);
  }
}

TEST_P(HeapConformanceTest, AlignedBlocksCanBeResized) {
  for (const size_t alignment : {size_t{64}, 4 * kKiB, kMiB}) {
    void* block = heap().AllocateAligned(alignment, 5000);
    ASSERT_NE(block, nullptr);
    Fill(block, 5000, 9);
    block = heap().Reallocate(block, 200000);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(Holds(block, 5000, 9));
    block = heap().Reallocate(block, 40);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(Holds(block, 40, 9));
    heap().Free(block);
  }
}

TEST_P(HeapConformanceTest, ManyLiveBlocksDoNotOverlap) {
  std::vector<void*> blocks;
  std::vector<size_t> sizes;
  uint32_t random = 12345;
  for (size_t i = 0; i < 5000; ++i) {
    random = random * 1664525 + 1013904223;
    const size_t size = (random >> 8) % (i % 100 == 0 ? 100000 : 900);
    void* block = heap().Allocate(size);
    ASSERT_NE(block, nullptr);
    Fill(block, heap().UsableSize(block), i);
    blocks.push_back(block);
    sizes.push_back(heap().UsableSize(block));
  }
  EXPECT_TRUE(heap().Check());
  // Every third goes, and others come in the holes.
  for (size_t i = 0; i < blocks.size(); i += 3) {
    ASSERT_TRUE(Holds(blocks[i], sizes[i], i)) << i;
    heap().Free(blocks[i]);
    blocks[i] = heap().Allocate(sizes[i] / 2);
    ASSERT_NE(blocks[i], nullptr);
    sizes[i] = heap().UsableSize(blocks[i]);
    Fill(blocks[i], sizes[i], i);
  }
  EXPECT_TRUE(heap().Check());
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_TRUE(Holds(blocks[i], sizes[i], i)) << i;
    heap().Free(blocks[i]);
  }
}

TEST_P(HeapConformanceTest, MemoryIsUsedAgain) {
  // 40 GiB in all, far more than is there at a time.
  for (size_t round = 0; round < 2000; ++round) {
    void* huge = heap().Allocate(20 * kMiB);
    void* large = heap().Allocate(kMiB);
    void* small = heap().Allocate(1000);
    ASSERT_TRUE(huge && large && small) << round;
    static_cast<char*>(huge)[20 * kMiB - 1] = 1;
    static_cast<char*>(large)[kMiB - 1] = 1;
    heap().Free(huge);
    heap().Free(small);
    heap().Free(large);
  }
}

}  // namespace
}  // namespace myonly::testing
