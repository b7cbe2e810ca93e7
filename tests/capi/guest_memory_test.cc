// Arenas over a buffer that is a block of this library, be that a sampled one.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cstddef>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/preset.h"

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kGiB = 1024 * kMiB;

void UseArenaIn(void* buffer, size_t bytes) {
  SCOPED_TRACE(bytes);
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, bytes, nullptr, &arena), MYONLY_OK);
  for (int round = 0; round < 3; ++round) {
    for (size_t size : {1, 10, 100, 1000, 3000, 9000}) {
      auto* block = static_cast<char*>(myonly_arena_alloc(arena, size));
      ASSERT_NE(block, nullptr) << size;
      memset(block, 1, size);
      EXPECT_GE(myonly_usable_size(block), size);
      myonly_block_info info = MYONLY_BLOCK_INFO_INIT;
      ASSERT_EQ(myonly_block_of(block + size - 1, &info), MYONLY_OK);
      EXPECT_EQ(info.start, block);
      EXPECT_EQ(info.arena, arena);
      block = static_cast<char*>(myonly_arena_realloc(arena, block, size + 1));
      ASSERT_NE(block, nullptr);
      myonly_try_resize(block, size, nullptr);
      myonly_free_sized(block, size, 1);
      myonly_free_sized(myonly_arena_aligned_alloc(arena, 64, size), size, 64);
      myonly_free(myonly_arena_calloc(arena, 1, size));
    }
  }
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(GuestMemoryTest, ABlockOfAnySizeWillDo) {
  for (size_t bytes :
       {64 * kKiB, 65000 + kKiB, 200000 * size_t{1}, kMiB, 5 * kMiB}) {
    void* buffer = myonly_alloc(bytes);
    ASSERT_NE(buffer, nullptr);
    UseArenaIn(buffer, bytes);
    myonly_free_sized(buffer, bytes, 0);
  }
}

// What is in lists then is handed out again.
TEST(GuestMemoryTest, ABlockThatWasFreedBeforeWillDo) {
  void* blocks[64];
  for (void*& block : blocks) block = myonly_alloc(65000);
  for (void* block : blocks) myonly_free(block);
  for (int i = 0; i < 64; ++i) {
    void* buffer = myonly_alloc(64 * kKiB);
    ASSERT_NE(buffer, nullptr);
    UseArenaIn(buffer, 64 * kKiB);
    myonly_free(buffer);
  }
}

// What the arena can't use there is its block's, as before.
TEST(GuestMemoryTest, TheStartOfTheBufferIsTheBlocks) {
  myonly_arena* host = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &host), MYONLY_OK);
  for (size_t bytes : {64 * kKiB, 200 * kKiB, 6 * kMiB}) {
    void* buffer = myonly_arena_alloc(host, bytes);
    ASSERT_NE(buffer, nullptr);
    myonly_arena* guest = nullptr;
    ASSERT_EQ(myonly_arena_create_in(buffer, bytes, nullptr, &guest),
              MYONLY_OK);
    myonly_arena* arena = nullptr;
    EXPECT_EQ(myonly_arena_of(buffer, &arena), MYONLY_OK);
    EXPECT_EQ(arena, host);
    myonly_block_info info = MYONLY_BLOCK_INFO_INIT;
    ASSERT_EQ(myonly_block_of(buffer, &info), MYONLY_OK);
    EXPECT_EQ(info.start, buffer);
    EXPECT_EQ(info.arena, host);
    EXPECT_GE(myonly_usable_size(buffer), bytes);
    EXPECT_EQ(myonly_arena_destroy(guest, MYONLY_DESTROY_FREE), MYONLY_OK);
    myonly_free(buffer);
  }
  EXPECT_EQ(myonly_arena_destroy(host, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// The arena goes first.
TEST(GuestMemoryDeathTest, ABlockWithAnArenaInItIsNotLost) {
  for (size_t bytes : {kMiB, 8 * kMiB}) {
    void* buffer = myonly_alloc(bytes);
    ASSERT_NE(buffer, nullptr);
    myonly_arena* guest = nullptr;
    ASSERT_EQ(myonly_arena_create_in(buffer, bytes, nullptr, &guest),
              MYONLY_OK);
    EXPECT_DEATH(myonly_free(buffer), "an arena has its memory in");
    EXPECT_DEATH(myonly_free_sized(buffer, bytes, 0),
                 "an arena has its memory in");
    EXPECT_DEATH(myonly_realloc(buffer, bytes / 2),
                 "an arena has its memory in");
    // Blocks of it are not the buffer, whatever their kind.
    for (size_t size : {size_t{10}, 3000 * size_t{1}, 200 * kKiB}) {
      void* block = myonly_arena_alloc(guest, size);
      ASSERT_NE(block, nullptr);
      block = myonly_realloc(block, size + size / 4);
      ASSERT_NE(block, nullptr);
      myonly_free(block);
    }
    EXPECT_EQ(myonly_arena_destroy(guest, MYONLY_DESTROY_FREE), MYONLY_OK);
    myonly_free(buffer);
  }
}

// Once there has been such an arena, addresses that are in no run are asked
// whether one is in there, too.
TEST(GuestMemoryTest, BlocksOfNoBytesGrowBesideIt) {
  static char buffer[kMiB];
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, sizeof(buffer), nullptr, &arena),
            MYONLY_OK);
  for (int i = 0; i < 2; ++i) {
    void* block = myonly_realloc(myonly_alloc(0), 100);
    EXPECT_NE(block, nullptr);
    myonly_free(block);
    if (i == 0) myonly_arena_destroy(arena, MYONLY_DESTROY_FREE);
  }
}

// The next arena in the same buffer has another key.
TEST(GuestMemoryDeathTest, AStaleBlockIsNoneInTheNextArena) {
  static char buffer[kMiB];
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, sizeof(buffer), nullptr, &arena),
            MYONLY_OK);
  myonly_arena_alloc(arena, 3000);
  void* stale = myonly_arena_alloc(arena, 3000);
  myonly_arena_alloc(arena, 3000);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  ASSERT_EQ(myonly_arena_create_in(buffer, sizeof(buffer), nullptr, &arena),
            MYONLY_OK);
  ASSERT_NE(myonly_arena_alloc(arena, 20000), nullptr);
  EXPECT_DEATH(myonly_free(stale), "free of an address inside a block");
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// In a region, in runs, and in mappings that are kept for the next ones.
TEST(GuestMemoryTest, ABlockThatIsFreeWillNotDo) {
  for (const size_t bytes :
       {64 * kKiB, 100 * kKiB, kMiB, 8 * kMiB, 12 * kMiB}) {
    SCOPED_TRACE(bytes);
    void* before = myonly_alloc(bytes);
    void* buffer = myonly_alloc(bytes);
    ASSERT_NE(buffer, nullptr);
    memset(buffer, 1, bytes);
    myonly_free(buffer);
    myonly_arena* arena = nullptr;
    EXPECT_EQ(myonly_arena_create_in(buffer, bytes, nullptr, &arena),
              MYONLY_ERR_INVALID);
    EXPECT_EQ(arena, nullptr);
    if (bytes >= 2 * kMiB) {
      EXPECT_EQ(
          myonly_arena_create_in(static_cast<char*>(buffer) + bytes - 64 * kKiB,
                                 64 * kKiB, nullptr, &arena),
          MYONLY_ERR_INVALID);
    }
    myonly_free(before);
    EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
  }
}

// What is freed in a region may have become one with what is free around it.
TEST(GuestMemoryTest, FreeMemoryBetweenBlocksWillNotDo) {
  myonly_arena* host = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &host), MYONLY_OK);
  void* blocks[9];
  for (void*& block : blocks) block = myonly_arena_alloc(host, 32 * kKiB);
  for (int i = 1; i < 8; ++i) myonly_free(blocks[i]);
  EXPECT_EQ(myonly_arena_purge(host, 0), MYONLY_OK);
  for (int i = 1; i < 6; ++i) {
    myonly_arena* arena = nullptr;
    EXPECT_EQ(myonly_arena_create_in(blocks[i], 64 * kKiB, nullptr, &arena),
              MYONLY_ERR_INVALID);
    EXPECT_EQ(arena, nullptr);
  }
  EXPECT_EQ(myonly_arena_destroy(host, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// In the preset debug they wait in a queue, and are looked at meanwhile.
TEST(GuestMemoryTest, FreedBlocksOfTheProcessHeapWillNotDo) {
  for (const size_t size : {3000 * size_t{1}, 40 * kKiB, 65000 * size_t{1}}) {
    SCOPED_TRACE(size);
    void* blocks[200];
    for (void*& block : blocks) block = myonly_alloc(size);
    for (void* block : blocks) myonly_free(block);
    for (const size_t offset : {size_t{0}, size / 2}) {
      myonly_arena* arena = nullptr;
      EXPECT_EQ(myonly_arena_create_in(static_cast<char*>(blocks[0]) + offset,
                                       64 * kKiB, nullptr, &arena),
                MYONLY_ERR_INVALID);
      EXPECT_EQ(arena, nullptr);
    }
    for (void*& block : blocks) block = myonly_alloc(size);
    for (void* block : blocks) myonly_free(block);
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

// A block stays where it is, however full the buffer is.
TEST(GuestMemoryTest, ABlockMayBecomeAsLargeAsItIs) {
  void* buffer = myonly_alloc(64 * kKiB);
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, 64 * kKiB, nullptr, &arena),
            MYONLY_OK);
  for (const size_t size : {1, 24, 100, 1024, 2000}) {
    void* block = myonly_arena_alloc(arena, size);
    ASSERT_NE(block, nullptr);
    while (myonly_arena_alloc(arena, 8) != nullptr) {
    }
    const size_t usable = myonly_usable_size(block);
    for (size_t less = usable / 2 + 1; less <= usable; ++less) {
      ASSERT_EQ(myonly_realloc(block, less), block) << size << " " << less;
    }
    ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  myonly_free(buffer);
}

// Addresses only; some bits of how far into its run a block begins were lost.
TEST(GuestMemoryTest, AnAlignmentOfGigabytesIsKeptOrRefused) {
  constexpr size_t kBytes = 24 * kGiB;
  void* buffer = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (buffer == MAP_FAILED) GTEST_SKIP() << "the system has not the addresses";
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, kBytes, nullptr, &arena), MYONLY_OK);
  for (size_t alignment = kMiB; alignment <= 16 * kGiB; alignment *= 2) {
    void* block = myonly_arena_aligned_alloc(arena, alignment, 5000);
    if (block == nullptr) {
      EXPECT_GE(alignment, 4 * kGiB);
      EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
      continue;
    }
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0U);
    EXPECT_GE(myonly_usable_size(block), 5000U);
    myonly_free(block);
  }
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
  munmap(buffer, kBytes);
}

}  // namespace
