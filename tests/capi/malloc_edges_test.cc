// The edges of the C malloc family: what C17, C23 and POSIX say, and what glibc
// does where they leave a choice.
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "tests/capi/process_malloc.h"

namespace myonly::testing {
namespace {

constexpr int kErrnoBefore = 77;
constexpr size_t kPage = 4096;
constexpr size_t kMiB = size_t{1} << 20;

// Not known to the compiler, which warns of sizes that can't be, and of blocks
// that are used after a call that may have freed them.
template <typename T>
T Hidden(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

const size_t kMax = Hidden(size_t{SIZE_MAX});
const size_t kHalf = Hidden(size_t{PTRDIFF_MAX});

// No heap can have as many bytes, whatever the alignment.
const std::array<size_t, 7> kTooBig = {
    kHalf - kPage, kHalf, kHalf + 1, kMax - kPage, kMax - 15, kMax - 1, kMax};

bool IsAligned(const void* ptr, size_t alignment) {
  return reinterpret_cast<uintptr_t>(ptr) % alignment == 0;
}

bool IsZero(const void* ptr, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(ptr);
  return std::all_of(bytes, bytes + size, [](unsigned char b) { return !b; });
}

// Of blocks that are live. In the preset secure also of those in quarantine,
// which goes before.
size_t LiveBytes() {
  if (internal::kIsSecure) malloc_trim(0);
  return mallinfo2().uordblks + mallinfo2().hblkhd;
}

// Calls `allocate` with errno marked; it must give NULL with `error`.
template <typename Allocate>
void ExpectFailure(int error, Allocate allocate) {
  errno = kErrnoBefore;
  void* ptr = allocate();
  // Compilers may take it that an allocation leaves errno alone.
  asm volatile("" : : : "memory");
  EXPECT_EQ(errno, error);
  EXPECT_EQ(ptr, nullptr);
  free(ptr);
}

// It must give a block of `size` bytes and leave errno alone.
template <typename Allocate>
void ExpectBlock(size_t size, size_t alignment, Allocate allocate) {
  errno = kErrnoBefore;
  void* ptr = allocate();
  EXPECT_EQ(errno, kErrnoBefore);
  ASSERT_NE(ptr, nullptr);
  EXPECT_TRUE(IsAligned(ptr, std::max<size_t>(alignment, 16)));
  EXPECT_GE(malloc_usable_size(ptr), size);
  memset(ptr, 0x5a, malloc_usable_size(ptr));
  free(ptr);
  EXPECT_EQ(errno, kErrnoBefore);
}

TEST(MallocTest, IsOurs) { EXPECT_TRUE(MallocIsOurs()); }

TEST(MallocTest, ZeroGivesBlocksOfTheirOwn) {
  void* first = malloc(Hidden(size_t{0}));
  void* second = malloc(Hidden(size_t{0}));
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(first, second);
  free(first);
  free(second);
}

TEST(MallocTest, EverySizeIsServedAndAligned) {
  for (size_t size = 0; size < 600; ++size) {
    ExpectBlock(size, 16, [=] { return malloc(size); });
  }
  for (size_t size = 1; size <= 64 * kMiB; size *= 2) {
    for (size_t near : {size - 1, size, size + 1}) {
      ExpectBlock(near, 16, [=] { return malloc(near); });
    }
  }
}

TEST(MallocTest, TooBigIsNoMemory) {
  for (size_t size : kTooBig) {
    ExpectFailure(ENOMEM, [=] { return malloc(size); });
  }
  // Fits a size_t, but no address space.
  for (int bits : {47, 48, 52, 57, 62}) {
    ExpectFailure(ENOMEM, [=] { return malloc(size_t{1} << bits); });
  }
}

TEST(MallocTest, FailureDoesNoHarm) {
  std::vector<char> content(1000, 'c');
  char* block = static_cast<char*>(malloc(content.size()));
  memcpy(block, content.data(), content.size());
  for (int i = 0; i < 100; ++i) {
    ExpectFailure(ENOMEM, [] { return malloc(kMax); });
    ExpectBlock(100, 16, [] { return malloc(100); });
  }
  EXPECT_EQ(memcmp(block, content.data(), content.size()), 0);
  free(block);
}

TEST(FreeTest, NullDoesNothing) {
  errno = kErrnoBefore;
  free(nullptr);
  EXPECT_EQ(errno, kErrnoBefore);
}

TEST(FreeTest, KeepsErrnoForEverySize) {
  for (size_t size = 1; size <= 128 * kMiB; size *= 4) {
    void* block = malloc(size);
    ASSERT_NE(block, nullptr);
    errno = kErrnoBefore;
    free(block);
    EXPECT_EQ(errno, kErrnoBefore) << size;
  }
}

TEST(FreeTest, SizedFormsFree) {
  errno = kErrnoBefore;
  FreeSized(nullptr, 0);
  FreeAlignedSized(nullptr, 64, 0);
  const size_t before = LiveBytes();
  for (size_t size : {size_t{0}, size_t{1}, size_t{500}, 3 * kPage, 9 * kMiB}) {
    FreeSized(malloc(size), size);
    FreeSized(calloc(1, size), size);
    FreeSized(realloc(malloc(7), size + 1), size + 1);
    FreeAlignedSized(aligned_alloc(256, size), 256, size);
  }
  EXPECT_EQ(errno, kErrnoBefore);
  EXPECT_LE(LiveBytes(), before + kPage);
}

TEST(CallocTest, ZeroGivesABlock) {
  ExpectBlock(0, 16,
              [] { return calloc(Hidden(size_t{0}), Hidden(size_t{0})); });
  ExpectBlock(0, 16, [] { return calloc(Hidden(size_t{0}), 10); });
  ExpectBlock(0, 16, [] { return calloc(10, Hidden(size_t{0})); });
  ExpectBlock(0, 16, [] { return calloc(kMax, Hidden(size_t{0})); });
  ExpectBlock(0, 16, [] { return calloc(Hidden(size_t{0}), kMax); });
}

TEST(CallocTest, OverflowIsNoMemory) {
  ExpectFailure(ENOMEM, [] { return calloc(kMax, 2); });
  ExpectFailure(ENOMEM, [] { return calloc(2, kMax); });
  ExpectFailure(ENOMEM, [] { return calloc(kMax, kMax); });
  ExpectFailure(ENOMEM, [] { return calloc(kHalf + 1, 2); });
  ExpectFailure(ENOMEM, [] { return calloc(kHalf, 1); });
  ExpectFailure(ENOMEM, [] { return calloc(1, kHalf + 1); });
  // The product is 16 modulo 2^64.
  ExpectFailure(ENOMEM, [] { return calloc((kMax >> 4) + 2, 16); });
  ExpectFailure(ENOMEM, [] {
    return calloc(Hidden(size_t{1} << 32), Hidden(size_t{1} << 32));
  });
}

TEST(CallocTest, ReusedMemoryIsZero) {
  for (size_t size = 1; size <= 64 * kMiB; size = size * 3 + 1) {
    for (int round = 0; round < 3; ++round) {
      void* dirty = malloc(size);
      ASSERT_NE(dirty, nullptr);
      memset(dirty, 0xff, malloc_usable_size(dirty));
      free(dirty);
      void* block = calloc(1, size);
      ASSERT_NE(block, nullptr);
      EXPECT_TRUE(IsZero(block, size)) << size;
      memset(block, 0xff, malloc_usable_size(block));
      free(block);
    }
  }
}

TEST(ReallocTest, NullAllocates) {
  ExpectBlock(0, 16, [] { return realloc(nullptr, Hidden(size_t{0})); });
  ExpectBlock(10, 16, [] { return realloc(nullptr, 10); });
  ExpectFailure(ENOMEM, [] { return realloc(nullptr, kMax); });
}

TEST(ReallocTest, ZeroFreesAndReturnsNull) {
  for (size_t size : {size_t{10}, size_t{5000}, 2 * kMiB, 40 * kMiB}) {
    const size_t before = LiveBytes();
    void* block = malloc(size);
    errno = kErrnoBefore;
    EXPECT_EQ(realloc(block, Hidden(size_t{0})), nullptr);
    EXPECT_EQ(errno, kErrnoBefore);
    EXPECT_LE(LiveBytes(), before);
  }
}

TEST(ReallocTest, FailureKeepsTheBlock) {
  for (size_t size : {size_t{100}, size_t{60000}, 3 * kMiB, 40 * kMiB}) {
    auto* block = static_cast<unsigned char*>(malloc(size));
    ASSERT_NE(block, nullptr);
    memset(block, 0x3c, size);
    for (size_t wanted : kTooBig) {
      errno = kErrnoBefore;
      EXPECT_EQ(realloc(block, wanted), nullptr);
      EXPECT_EQ(errno, ENOMEM);
    }
    EXPECT_EQ(block[0], 0x3c);
    EXPECT_EQ(block[size - 1], 0x3c);
    free(block);
  }
}

TEST(ReallocTest, GrowingAndShrinkingKeepsContents) {
  std::vector<size_t> sizes;
  for (size_t size = 1; size <= 48 * kMiB; size = size * 5 + 3) {
    sizes.push_back(size);
  }
  const std::vector<size_t> growing = sizes;
  sizes.insert(sizes.end(), growing.rbegin(), growing.rend());
  unsigned char* block = nullptr;
  size_t held = 0;
  for (size_t size : sizes) {
    errno = kErrnoBefore;
    block = static_cast<unsigned char*>(realloc(block, size));
    EXPECT_EQ(errno, kErrnoBefore);
    ASSERT_NE(block, nullptr);
    ASSERT_TRUE(IsAligned(block, 16));
    for (size_t i = 0; i < std::min(held, size); ++i) {
      ASSERT_EQ(block[i], static_cast<unsigned char>(i * 7)) << i;
    }
    for (size_t i = 0; i < size; ++i) {
      block[i] = static_cast<unsigned char>(i * 7);
    }
    held = size;
  }
  free(block);
}

// What the program may do with a page, asked without a fault.
bool MayRead(const void* page) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const bool may = write(ends[1], page, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return may;
}
bool MayWrite(void* page) {
  const int zeros = open("/dev/zero", O_RDONLY);
  const bool may = read(zeros, page, 1) == 1;
  close(zeros);
  return may;
}

// As collectors, guards of stacks, and compilers of code at run time do. 80 MB
// make the heap grow several times, and so does the first thread.
void MakeHeapGrow() {
  std::thread([] { free(Hidden(malloc(100))); }).join();
  std::vector<void*> blocks;
  for (int i = 0; i < 80000; ++i) blocks.push_back(malloc(1000));
  EXPECT_EQ(std::count(blocks.begin(), blocks.end(), nullptr), 0);
  for (void* block : blocks) free(block);
}

TEST(AccessTest, WhatTheProgramForbidsStaysForbidden) {
  constexpr size_t kBytes = 4 * kPage;
  char* block = static_cast<char*>(aligned_alloc(kPage, kBytes));
  ASSERT_NE(block, nullptr);
  ASSERT_EQ(mprotect(block + kPage, kPage, PROT_NONE), 0);
  ASSERT_EQ(mprotect(block + 2 * kPage, kPage, PROT_READ), 0);
  MakeHeapGrow();
  EXPECT_FALSE(MayRead(block + kPage));
  EXPECT_TRUE(MayRead(block + 2 * kPage));
  EXPECT_FALSE(MayWrite(block + 2 * kPage));
  EXPECT_TRUE(MayWrite(block + 3 * kPage));
  ASSERT_EQ(mprotect(block, kBytes, PROT_READ | PROT_WRITE), 0);
  free(block);
}

TEST(AccessTest, AFileMappedOverABlockDoesNotKeepTheHeapFromGrowing) {
  char* block = static_cast<char*>(aligned_alloc(kPage, 2 * kPage));
  ASSERT_NE(block, nullptr);
  const int file = open("/proc/self/exe", O_RDONLY);
  ASSERT_GE(file, 0);
  void* over =
      mmap(block + kPage, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0);
  close(file);
  ASSERT_EQ(over, block + kPage);
  MakeHeapGrow();
  EXPECT_EQ(memcmp(over, "\177ELF", 4), 0);
  ASSERT_EQ(mmap(over, kPage, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
            over);
  free(block);
}

// Programs that ask how much they have use it all, and then want more.
TEST(ReallocTest, KeepsAllThatWasUsable) {
  for (size_t size = 1; size < (size_t{9} << 20); size += size / 3 + 5) {
    for (size_t new_size : {size * 2, size * 5 + 70000, size / 2 + 1}) {
      auto* block = static_cast<char*>(malloc(size));
      ASSERT_NE(block, nullptr);
      const size_t usable = malloc_usable_size(block);
      for (size_t i = 0; i < usable; ++i) block[i] = static_cast<char>(i / 3);
      block = static_cast<char*>(realloc(block, new_size));
      ASSERT_NE(block, nullptr);
      const size_t kept = std::min(usable, new_size);
      size_t same = 0;
      while (same < kept && block[same] == static_cast<char>(same / 3)) ++same;
      EXPECT_EQ(same, kept) << "from " << size << " to " << new_size;
      free(block);
    }
  }
}

TEST(ReallocTest, TakesAlignedBlocks) {
  for (size_t alignment : {size_t{64}, kPage, kMiB}) {
    auto* block = static_cast<char*>(aligned_alloc(alignment, 1000));
    ASSERT_NE(block, nullptr);
    memset(block, 'a', 1000);
    block = static_cast<char*>(realloc(block, 100000));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(std::string(block, 1000), std::string(1000, 'a'));
    free(block);
  }
}

TEST(ReallocarrayTest, OverflowKeepsTheBlock) {
  char* block = static_cast<char*>(malloc(100));
  memset(block, 'x', 100);
  for (size_t count : {kMax, kMax / 2 + 2, size_t{1} << 63}) {
    errno = kErrnoBefore;
    EXPECT_EQ(reallocarray(Hidden(block), count, 2), nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
  EXPECT_EQ(std::string(block, 100), std::string(100, 'x'));
  free(block);
  ExpectFailure(ENOMEM, [] { return reallocarray(nullptr, kMax, kMax); });
}

TEST(ReallocarrayTest, IsReallocOfTheProduct) {
  ExpectBlock(0, 16,
              [] { return reallocarray(nullptr, Hidden(size_t{0}), 0); });
  ExpectBlock(21, 16, [] { return reallocarray(nullptr, 3, 7); });
  EXPECT_EQ(reallocarray(malloc(10), Hidden(size_t{0}), 5), nullptr);
  EXPECT_EQ(reallocarray(malloc(10), 5, Hidden(size_t{0})), nullptr);
}

}  // namespace
}  // namespace myonly::testing
