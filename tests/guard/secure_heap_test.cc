// The secure preset as the program's malloc: what is stopped, and that what is
// right works as ever.
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <new>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/testing.h"

extern "C" void free_sized(void* ptr, size_t size) noexcept;

namespace {

// Sizes of objects and of blocks.
const size_t kSizes[] = {1, 8, 40, 48, 500, 1016, 1024, 3000, 20000, 65000};

template <typename T>
T* Launder(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

char* Block(size_t size) {
  char* block = Launder(static_cast<char*>(malloc(size)));
  memset(block, 'x', size);
  return block;
}
void Free(void* block) { free(Launder(block)); }

// Enough for everything in quarantine to leave it.
void FreeMany(size_t size) {
  for (int i = 0; i < 2000; ++i) Free(Block(size));
}

class SecureHeapTest : public ::testing::TestWithParam<size_t> {};
class SecureHeapDeathTest : public SecureHeapTest {};

INSTANTIATE_TEST_SUITE_P(Sizes, SecureHeapTest, ::testing::ValuesIn(kSizes));
INSTANTIATE_TEST_SUITE_P(Sizes, SecureHeapDeathTest,
                         ::testing::ValuesIn(kSizes));

TEST_P(SecureHeapTest, UsableSizeIsWhatWasAskedFor) {
  char* block = Block(GetParam());
  EXPECT_EQ(malloc_usable_size(block), GetParam());
  block = static_cast<char*>(realloc(block, GetParam() + 1));
  EXPECT_EQ(malloc_usable_size(block), GetParam() + 1);
  for (size_t i = 0; i < GetParam(); ++i) ASSERT_EQ(block[i], 'x');
  Free(block);
}

TEST_P(SecureHeapTest, NoBlockComesBackAtOnce) {
  if (GetParam() > 30000) GTEST_SKIP() << "few of them are in quarantine";
  std::set<void*> last;
  for (int i = 0; i < 3; ++i) {
    char* block = Block(GetParam());
    EXPECT_TRUE(last.insert(block).second);
    Free(block);
  }
}

TEST_P(SecureHeapTest, WhatIsFreedIsCleared) {
  char* block = Block(GetParam());
  Free(block);
  for (size_t i = 0; i < GetParam(); ++i) ASSERT_EQ(Launder(block)[i], 0);
}

TEST_P(SecureHeapTest, CallocIsZero) {
  FreeMany(GetParam());
  for (int i = 0; i < 300; ++i) {
    char* block = Launder(static_cast<char*>(calloc(GetParam(), 1)));
    for (size_t j = 0; j < GetParam(); ++j) ASSERT_EQ(block[j], 0);
    memset(block, 1, GetParam());
    Free(block);
  }
}

TEST_P(SecureHeapDeathTest, DoubleFreeAtOnce) {
  char* block = Block(GetParam());
  Free(block);
  EXPECT_DEATH(Free(block), "myonlymalloc: double free at 0x");
}

TEST_P(SecureHeapDeathTest, DoubleFreeAfterQuarantine) {
  char* block = Block(GetParam());
  EXPECT_DEATH(
      {
        Free(block);
        FreeMany(GetParam() + 3000);
        Free(block);
      },
      "double free|inside a block");
  Free(block);
}

TEST_P(SecureHeapDeathTest, DoubleFreeByAnotherThread) {
  char* block = Block(GetParam());
  // With nothing between that could get the memory.
  EXPECT_DEATH(
      {
        std::thread([block] { Free(block); }).join();
        Free(block);
      },
      "myonlymalloc: double free at 0x");
  Free(block);
  EXPECT_DEATH(std::thread([block] { Free(block); }).join(), "double free");
}

TEST_P(SecureHeapDeathTest, FreeInside) {
  char* block = Block(GetParam() + 32);
  for (size_t offset : {1, 8, 16}) {
    EXPECT_DEATH(Free(block + offset), "free of an address inside a block");
  }
  Free(block);
}

// Before it there may be a page that faults.
TEST(RegionDeathTest, FreeWhereARegionBegins) {
  constexpr uintptr_t kSlice = 32768;
  std::vector<char*> blocks;
  std::set<uintptr_t> slices;
  for (int i = 0; i < 100; ++i) {
    blocks.push_back(Block(20000));
    slices.insert(reinterpret_cast<uintptr_t>(blocks.back()) / kSlice);
  }
  for (const uintptr_t slice : slices) {
    EXPECT_DEATH(Free(reinterpret_cast<void*>(slice * kSlice)),
                 "free of an address inside a block|double free");
  }
  for (char* block : blocks) Free(block);
}

TEST_P(SecureHeapDeathTest, OneByteBehindTheEnd) {
  for (char byte : {'\0', 'x'}) {
    char* block = Block(GetParam());
    EXPECT_DEATH(
        {
          Launder(block)[GetParam()] = byte;
          Free(block);
        },
        "write behind the end of a block at 0x");
    EXPECT_DEATH(
        {
          Launder(block)[GetParam()] = byte;
          block = static_cast<char*>(realloc(block, GetParam() * 2));
        },
        "write behind the end of a block at 0x");
    Free(block);
  }
}

TEST_P(SecureHeapDeathTest, WriteAfterFree) {
  for (size_t at : {size_t{0}, GetParam() / 2, GetParam() - 1}) {
    char* block = Block(GetParam());
    Free(block);
    EXPECT_DEATH(
        {
          Launder(block)[at] = 1;
          FreeMany(GetParam());
        },
        "myonlymalloc: write to a free block at 0x");
  }
}

TEST(SizedDeathTest, WrongSizes) {
  for (size_t size : {2, 40, 1000, 5000, 300000, 20000000}) {
    void* block = Launder(operator new(size));
    const size_t much = size > 100000 ? 5000 : 1;
    EXPECT_DEATH(operator delete(block, size + much), "free with a wrong size");
    EXPECT_DEATH(operator delete(block, size - much), "free with a wrong size");
    operator delete(block, size);
    block = operator new(size, std::align_val_t(256));
    EXPECT_DEATH(operator delete(block, size + much, std::align_val_t(256)),
                 "free with a wrong size");
    operator delete(block, size, std::align_val_t(256));
  }
}

// Nothing asks again before the new handler is called.
TEST(SecureHeapTest, NewThatFailsIsOneRequest) {
  myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
  options.fail_nth = 1;
  ASSERT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_OK);
  void* block = Launder(::operator new(100, std::nothrow));
  EXPECT_EQ(myonly_fault_end(nullptr, nullptr), MYONLY_OK);
  EXPECT_EQ(block, nullptr);
  ::operator delete(block);
}

// In place or not, what was written stays, and nothing else can be touched.
TEST(SecureHeapTest, LargeBlocksGrowByRealloc) {
  constexpr size_t kBlocks = 40;
  std::vector<char*> blocks(kBlocks);
  std::vector<size_t> sizes(kBlocks, 40000);
  size_t in_place = 0;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks[i] = Block(sizes[i]);
    memset(blocks[i], static_cast<int>(i), sizes[i]);
  }
  for (int step = 0; step < 14; ++step) {
    for (size_t i = 0; i < kBlocks; ++i) {
      const size_t size = sizes[i] + sizes[i] / (2 + i % 3);
      auto* grown = static_cast<char*>(realloc(blocks[i], size));
      in_place += grown == blocks[i] ? 1 : 0;
      for (size_t j = 0; j < sizes[i]; j += 777) {
        ASSERT_EQ(grown[j], static_cast<char>(i));
      }
      memset(grown, static_cast<int>(i), size);
      ASSERT_GE(malloc_usable_size(grown), size);
      blocks[i] = grown;
      sizes[i] = size;
    }
  }
  EXPECT_GT(in_place, kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) free_sized(blocks[i], sizes[i]);
}

// Pages that a program has locked can't be made to fault like others.
TEST(SecureHeapTest, BlocksWithLockedPagesAreUsedAgain) {
  for (size_t size = size_t{128} << 10; size <= size_t{32} << 20; size *= 4) {
    auto* block = static_cast<char*>(aligned_alloc(4096, size));
    ASSERT_NE(block, nullptr);
    memset(block, 'x', size);
    if (mlock(block + size / 2, 8192) != 0)
      GTEST_SKIP() << "none may be locked";
    Free(block);
    for (int i = 0; i < 50; ++i) Free(Block(size));
    for (int i = 0; i < 200; ++i) Free(Block(30000));
  }
}

// Around where blocks end and pages begin, by every way to allocate.
TEST(SecureHeapTest, LargestBlocks) {
  for (size_t size = 65536 - 40; size <= 80000; size += size < 65600 ? 1 : 37) {
    for (void* block :
         {malloc(size), calloc(size, 1), calloc(1, size), memalign(64, size),
          realloc(malloc(100), size), realloc(malloc(300000), size),
          realloc(calloc(1, 65536), size), operator new(size)}) {
      ASSERT_GE(malloc_usable_size(Launder(block)), size);
      memset(block, 'x', size);
      free_sized(block, size);
    }
  }
}

TEST(SecureHeapTest, BlocksOfManySizesAndAlignments) {
  std::vector<char*> blocks;
  std::vector<size_t> sizes;
  for (size_t i = 0; i < 20000; ++i) {
    const size_t size = i * 2654435761U % (i % 50 == 0 ? 90000 : 900);
    const size_t alignment = size_t{16} << i % 9;
    auto* block = static_cast<char*>(aligned_alloc(alignment, size));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0U);
    memset(block, static_cast<char>(i), size);
    blocks.push_back(block);
    sizes.push_back(size);
    if (i % 3 != 0) continue;
    const size_t other = i * 40503 % blocks.size();
    for (size_t j = 0; j < sizes[other]; ++j) {
      ASSERT_EQ(blocks[other][j], blocks[other][0]);
    }
    free(blocks[other]);
    blocks[other] = blocks.back();
    sizes[other] = sizes.back();
    blocks.pop_back();
    sizes.pop_back();
  }
  for (char* block : blocks) free(block);
}

// Threads that end leave nothing in quarantine that another one misses.
TEST(SecureHeapTest, ThreadsFreeForEachOther) {
  for (int round = 0; round < 20; ++round) {
    std::vector<char*> blocks;
    for (int i = 0; i < 3000; ++i) blocks.push_back(Block(16 + i % 2000));
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&blocks, t] {
        for (size_t i = t; i < blocks.size(); i += 3) Free(blocks[i]);
        FreeMany(100);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
