// Arenas over a buffer of the program.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/forked_child.h"

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

struct Buffer {
  explicit Buffer(size_t bytes, size_t offset = 0)
      : memory(bytes + offset, 0x77), start(memory.data() + offset) {}
  std::vector<char> memory;
  char* start;
};

myonly_arena* NewArenaIn(const Buffer& buffer, size_t bytes) {
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create_in(buffer.start, bytes, nullptr, &arena),
            MYONLY_OK);
  return arena;
}

bool IsIn(const Buffer& buffer, const void* block, size_t bytes) {
  const char* byte = static_cast<const char*>(block);
  return byte >= buffer.start && byte < buffer.start + bytes;
}

TEST(OwnMemoryTest, EveryBlockIsInTheBuffer) {
  constexpr size_t kBytes = 16 * kMiB;
  Buffer buffer(kBytes);
  myonly_arena* arena = NewArenaIn(buffer, kBytes);
  for (size_t size : {size_t{0}, size_t{1}, size_t{24}, size_t{1000},
                      size_t{30000}, 100 * kKiB, kMiB}) {
    for (int i = 0; i < 3; ++i) {
      auto* block = static_cast<char*>(myonly_arena_calloc(arena, 1, size));
      ASSERT_NE(block, nullptr) << size;
      EXPECT_TRUE(IsIn(buffer, block, kBytes));
      EXPECT_TRUE(IsIn(buffer, block + myonly_usable_size(block) - 1, kBytes));
      EXPECT_GE(myonly_usable_size(block), size);
      EXPECT_EQ(std::count(block, block + size, 0),
                static_cast<ptrdiff_t>(size));
      memset(block, 0x5a, myonly_usable_size(block));
      myonly_arena* owner = nullptr;
      EXPECT_EQ(myonly_arena_of(block, &owner), MYONLY_OK);
      EXPECT_EQ(owner, arena);
      block = static_cast<char*>(myonly_realloc(block, size * 2 + 10));
      ASSERT_NE(block, nullptr);
      EXPECT_TRUE(IsIn(buffer, block, kBytes));
      if (i % 2 == 0) myonly_free(block);
    }
  }
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// What blocks of 24, 100 and 1,000 bytes take; in the preset secure with what
// is kept behind them.
constexpr size_t kBlockBytes[] = {myonly::internal::kIsSecure ? 48 : 32,
                                  myonly::internal::kIsSecure ? 128 : 112,
                                  myonly::internal::kIsSecure ? 1024 : 1008};

// Wherever the buffer begins, and all of it but some KiB.
TEST(OwnMemoryTest, ASmallBufferServesAtEveryAddress) {
  for (size_t offset = 0; offset < 300; ++offset) {
    Buffer buffer(64 * kKiB, offset);
    myonly_arena* arena = NewArenaIn(buffer, 64 * kKiB);
    size_t bytes = 0;
    for (;;) {
      void* block = myonly_arena_alloc(arena, 100);
      if (block == nullptr) break;
      ASSERT_TRUE(IsIn(buffer, block, 64 * kKiB));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % 16, 0u);
      memset(block, 1, 100);
      bytes += 100;
    }
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
    EXPECT_GT(bytes, 51 * kKiB * 112 / kBlockBytes[1]) << offset;
    ASSERT_EQ(myonly_arena_check(arena), MYONLY_OK);
    ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    EXPECT_NE(myonly_arena_alloc(arena, 50000), nullptr);
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
}

// Fills the arena with blocks of one size, every usable byte of them; returns
// their bytes. Walk, check and charge agree with it, then all are freed.
size_t FillWith(myonly_arena* arena, size_t size, size_t buffer_bytes) {
  std::map<void*, size_t> blocks;
  size_t bytes = 0;
  while (void* block = myonly_arena_alloc(arena, size)) {
    blocks[block] = myonly_usable_size(block);
    bytes += size;
    memset(block, 0x5a, blocks[block]);
  }
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
  struct Walk {
    std::map<void*, size_t> blocks;
    static int Visit(void* ctx, const myonly_block_info* block) {
      auto* walk = static_cast<Walk*>(ctx);
      EXPECT_TRUE(walk->blocks.emplace(block->start, block->size).second);
      return 0;
    }
  } walk;
  const myonly_status status =
      myonly_arena_walk(arena, nullptr, Walk::Visit, &walk);
  EXPECT_TRUE(status == MYONLY_ERR_UNSUPPORTED || walk.blocks == blocks);
  size_t charged = 0;
  EXPECT_EQ(myonly_arena_charged(arena, &charged), MYONLY_OK);
  EXPECT_LE(charged, buffer_bytes);
  EXPECT_GE(charged, bytes);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  for (const auto& [block, usable] : blocks) myonly_free(block);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  return bytes;
}

size_t LargestBlock(myonly_arena* arena, size_t buffer_bytes) {
  size_t fits = 0;
  size_t too_large = buffer_bytes;
  while (too_large - fits > 16) {
    const size_t size = fits + (too_large - fits) / 2;
    void* block = myonly_arena_alloc(arena, size);
    if (block == nullptr) {
      too_large = size;
      continue;
    }
    memset(block, 0x5a, size);
    myonly_free(block);
    fits = size;
  }
  return fits;
}

// docs/design/arenas.md has the table.
TEST(OwnMemoryTest, AlmostAllOfABufferIsForBlocks) {
  for (size_t kib : {64, 65, 70, 80, 96, 97, 100, 128, 136, 160, 200, 256, 300,
                     512, 1024, 2 * 1024 + 17, 16 * 1024}) {
#if defined(__SANITIZE_THREAD__)
    if (kib > 4096) continue;  // half a million blocks, twice in a map
#endif
    const size_t bytes = kib * kKiB;
    constexpr size_t kGuard = 4096;
    Buffer buffer(bytes + kGuard, kGuard);
    myonly_arena* arena = NewArenaIn(buffer, bytes);
    const double whole = static_cast<double>(bytes);
    const double largest =
        static_cast<double>(LargestBlock(arena, bytes)) / whole;
    double share[3];
    constexpr size_t kSizes[] = {24, 100, 1000};
    for (int i = 0; i < 3; ++i) {
      share[i] = static_cast<double>(FillWith(arena, kSizes[i], bytes)) / whole;
    }
    printf(
        "%6zu KiB: one block %5.1f %%, of 24 bytes %5.1f %%, of 100 %5.1f %%,"
        " of 1000 %5.1f %%\n",
        kib, largest * 100, share[0] * 100, share[1] * 100, share[2] * 100);
    EXPECT_GT(share[0] * kBlockBytes[0] / 24, 0.91) << kib;
    EXPECT_GT(share[1] * kBlockBytes[1] / 100, 0.91) << kib;
    EXPECT_GT(share[2] * kBlockBytes[2] / 1000,
              myonly::internal::kIsSecure ? 0.88 : 0.90)
        << kib;
    EXPECT_GT(largest, bytes <= 64 * kKiB ? 0.90 : 0.5) << kib;
    // Nothing was written beside it.
    EXPECT_EQ(
        std::count(buffer.memory.begin(), buffer.memory.begin() + kGuard, 0x77),
        static_cast<ptrdiff_t>(kGuard));
    EXPECT_EQ(
        std::count(buffer.memory.end() - kGuard, buffer.memory.end(), 0x77),
        static_cast<ptrdiff_t>(kGuard));
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
}

// What freed blocks have left serves larger ones.
TEST(OwnMemoryTest, ALargeBlockHasWhatSmallOnesHad) {
  constexpr size_t kBytes = 256 * kKiB;
  Buffer buffer(kBytes);
  myonly_arena* arena = NewArenaIn(buffer, kBytes);
  FillWith(arena, 1000, kBytes);
  void* block = myonly_arena_alloc(arena, 200 * kKiB);
  EXPECT_NE(block, nullptr);
  myonly_free(block);
  FillWith(arena, 60000, kBytes);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// The buffer is a block of the process heap or of an arena: in a region, a run,
// a mapping. The arena's blocks are told from parts of it, by free, realloc and
// questions; afterwards it is a block as before.
void UseBufferOf(myonly_arena* outer, size_t bytes) {
  auto* buffer =
      static_cast<char*>(outer == nullptr ? myonly_alloc(bytes)
                                          : myonly_arena_alloc(outer, bytes));
  ASSERT_NE(buffer, nullptr);
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, bytes, nullptr, &arena), MYONLY_OK);
  for (int round = 0; round < 3; ++round) {
    std::vector<char*> blocks;
    for (size_t size = 0; size < 12000; size += 997) {
      auto* block = static_cast<char*>(myonly_arena_calloc(arena, 1, size));
      if (block == nullptr) break;
      EXPECT_EQ(std::count(block, block + size, 0),
                static_cast<ptrdiff_t>(size));
      memset(block, 0x33, myonly_usable_size(block));
      myonly_arena* owner = nullptr;
      EXPECT_EQ(myonly_arena_of(block, &owner), MYONLY_OK);
      EXPECT_EQ(owner, arena);
      blocks.push_back(block);
    }
    EXPECT_GT(blocks.size(), 5u);
    for (char*& block : blocks) {
      EXPECT_EQ(myonly_arena_transfer(block, arena), MYONLY_ERR_UNSUPPORTED);
      block = static_cast<char*>(myonly_realloc(block, 30));
      ASSERT_NE(block, nullptr);
      EXPECT_LT(block, buffer + bytes);
    }
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_check(outer), MYONLY_OK);
    if (round == 1) {
      EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
      continue;
    }
    for (char* block : blocks) myonly_free(block);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(outer), MYONLY_OK);
  EXPECT_GE(myonly_usable_size(buffer), bytes);
  memset(buffer, 1, bytes);
  myonly_free(buffer);
}

TEST(OwnMemoryTest, ABufferMayBeABlockOfOurs) {
  myonly_arena* outer = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &outer), MYONLY_OK);
  for (size_t bytes :
       {64 * kKiB, 64 * kKiB + 1, 100 * kKiB, 3 * kMiB, 20 * kMiB}) {
    for (int i = 0; i < 3; ++i) {
      UseBufferOf(nullptr, bytes);
      UseBufferOf(outer, bytes);
      // From now on, a share of it.
      for (int j = 0; j < 400; ++j) {
        myonly_free(myonly_arena_alloc(outer, 2000));
      }
    }
  }
  EXPECT_EQ(myonly_arena_destroy(outer, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// The arena that has the buffer's block is neither reset nor destroyed before
// the one in the buffer.
void ExpectHostWaits(size_t bytes) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena* parent = nullptr;
  myonly_arena* host = nullptr;
  myonly_arena* next_host = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &parent), MYONLY_OK);
  options.parent = parent;
  ASSERT_EQ(myonly_arena_create(&options, &host), MYONLY_OK);
  ASSERT_EQ(myonly_arena_create(&options, &next_host), MYONLY_OK);
  void* buffer = myonly_arena_alloc(host, bytes);
  myonly_arena* guest = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, bytes, nullptr, &guest), MYONLY_OK);
  void* block = myonly_arena_alloc(guest, 1000);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(myonly_arena_reset(next_host), MYONLY_OK);
  EXPECT_EQ(myonly_arena_reset(host), MYONLY_ERR_BUSY);
  EXPECT_EQ(myonly_arena_destroy(host, MYONLY_DESTROY_FREE), MYONLY_ERR_BUSY);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_BUSY);
  memset(block, 1, 1000);
  myonly_free(block);
  if (myonly_arena_transfer(buffer, next_host) == MYONLY_OK) {
    std::swap(host, next_host);
    EXPECT_EQ(myonly_arena_reset(host), MYONLY_ERR_BUSY);
  }
  EXPECT_EQ(myonly_arena_reset(next_host), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(next_host, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_reset(guest), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(guest, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_reset(host), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(host, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(parent, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(OwnMemoryTest, TheArenaAroundItsBufferWaitsForIt) {
  for (const size_t bytes : {64 * kKiB, 100 * kKiB, 3 * kMiB, 20 * kMiB}) {
    ExpectHostWaits(bytes);
  }
}

// Seals have 20 bits: without further ado one in a million frees would take a
// block in the buffer for one of the region around it.
TEST(OwnMemoryTest, NoFreeInABlockOfOursIsTakenForOneOfTheRegion) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int kFrees = 20000;
#else
  constexpr int kFrees = 4000000;
#endif
  // This thread has a share of the process heap, and is its owner.
  for (int i = 0; i < 1000; ++i) myonly_free(myonly_alloc(3000));
  void* buffer = myonly_alloc(64 * kKiB);
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create_in(buffer, 64 * kKiB, nullptr, &arena),
            MYONLY_OK);
  std::minstd_rand random(1);
  std::vector<void*> blocks(20);
  for (int i = 0; i < kFrees; ++i) {
    void*& block = blocks[random() % blocks.size()];
    myonly_free(block);
    block = myonly_arena_alloc(arena, random() % 2000);
    ASSERT_NE(block, nullptr);
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  myonly_free(buffer);
}

TEST(OwnMemoryTest, ABufferHasOneArenaAtATime) {
  Buffer buffer(256 * kKiB);
  char* start = buffer.start;
  myonly_arena* arena = nullptr;
  ASSERT_EQ(
      myonly_arena_create_in(start + 64 * kKiB, 64 * kKiB, nullptr, &arena),
      MYONLY_OK);
  void* block = myonly_arena_alloc(arena, 100);
  myonly_arena* other = arena;
  for (size_t from : {size_t{0}, 1 * kKiB, 64 * kKiB, 127 * kKiB}) {
    EXPECT_EQ(myonly_arena_create_in(start + from, 128 * kKiB, nullptr, &other),
              MYONLY_ERR_BUSY)
        << from;
    EXPECT_EQ(other, nullptr);
  }
  for (size_t from : {size_t{0}, 128 * kKiB}) {
    ASSERT_EQ(myonly_arena_create_in(start + from, 64 * kKiB, nullptr, &other),
              MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  myonly_free(block);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
  ASSERT_EQ(myonly_arena_create_in(start, 256 * kKiB, nullptr, &other),
            MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(OwnMemoryTest, EveryAlignmentThatFits) {
  constexpr size_t kBytes = 8 * kMiB;
  Buffer buffer(kBytes, 48);
  myonly_arena* arena = NewArenaIn(buffer, kBytes);
  for (size_t alignment = 1; alignment <= kMiB; alignment *= 2) {
    for (size_t size : {size_t{1}, size_t{5000}, 100 * kKiB, kMiB}) {
      void* block = myonly_arena_aligned_alloc(arena, alignment, size);
      ASSERT_NE(block, nullptr) << alignment << " " << size;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
      EXPECT_TRUE(IsIn(buffer, static_cast<char*>(block) + size - 1, kBytes));
      memset(block, 1, myonly_usable_size(block));
      ASSERT_EQ(myonly_arena_check(arena), MYONLY_OK);
      myonly_free(block);
    }
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// Slices begin anywhere in a buffer: an aligned block doesn't begin where its
// run does, and ends in whole pages all the same.
TEST(OwnMemoryTest, AlignedLargeBlocksEndInTheirRun) {
  Buffer buffer(64 * kMiB, 16);
  myonly_arena* arena = NewArenaIn(buffer, 64 * kMiB);
  std::vector<unsigned char*> blocks;
  const auto fill = [&blocks] {
    for (size_t i = 0; i < blocks.size(); ++i) {
      memset(blocks[i], static_cast<int>(i % 251 + 1),
             myonly_usable_size(blocks[i]));
    }
  };
  const auto expect_filled = [&blocks] {
    for (size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(std::count(blocks[i], blocks[i] + myonly_usable_size(blocks[i]),
                           i % 251 + 1),
                static_cast<ptrdiff_t>(myonly_usable_size(blocks[i])))
          << i;
    }
  };
  for (size_t alignment = 32; alignment <= 8192; alignment *= 2) {
    for (const size_t less : {0, 16, 100, 250, 500, 1000, 2000, 4000, 4096}) {
      // And behind it one that begins where its run does.
      for (const size_t each : {alignment, size_t{16}}) {
        void* block = myonly_arena_aligned_alloc(arena, each, 96 * kKiB - less);
        ASSERT_NE(block, nullptr);
        blocks.push_back(static_cast<unsigned char*>(block));
      }
    }
  }
  fill();
  expect_filled();
  // Every other one shrinks and grows where it is.
  for (size_t i = 0; i < blocks.size(); i += 2) {
    for (const size_t less : {33 * kKiB, 32 * kKiB + 100, size_t{40}}) {
      (void)myonly_try_resize(blocks[i], 96 * kKiB - less, nullptr);
    }
  }
  fill();
  expect_filled();
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(OwnMemoryTest, OneBlockMayHaveAlmostAllOfIt) {
  constexpr size_t kBytes = 64 * kMiB;
  Buffer buffer(kBytes);
  myonly_arena* arena = NewArenaIn(buffer, kBytes);
  for (int round = 0; round < 3; ++round) {
    void* block = myonly_arena_alloc(arena, kBytes - kMiB);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(
        IsIn(buffer, static_cast<char*>(block) + kBytes - kMiB - 1, kBytes));
    EXPECT_EQ(myonly_arena_alloc(arena, 2 * kMiB), nullptr);
    myonly_free(block);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(OwnMemoryTest, ManyBuffersAtATimeAndOneAfterTheOther) {
  constexpr size_t kArenas = 1000;
  std::vector<Buffer> buffers;
  std::vector<myonly_arena*> arenas;
  for (size_t i = 0; i < kArenas; ++i) buffers.emplace_back(64 * kKiB);
  for (int round = 0; round < 3; ++round) {
    arenas.clear();
    for (Buffer& buffer : buffers) {
      arenas.push_back(NewArenaIn(buffer, 64 * kKiB));
    }
    for (size_t i = 0; i < kArenas; ++i) {
      void* block = myonly_arena_alloc(arenas[i], 1000);
      ASSERT_TRUE(IsIn(buffers[i], block, 64 * kKiB));
      if (i % 2 == 0) myonly_free(block);
    }
    for (myonly_arena* arena : arenas) {
      ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
      EXPECT_EQ(myonly_arena_alloc(arena, 10), nullptr);
      EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
    }
    // The program's again, all of it.
    for (Buffer& buffer : buffers) memset(buffer.start, 0x11, 64 * kKiB);
    // Slots are used by other arenas as well.
    myonly_arena* other = nullptr;
    ASSERT_EQ(myonly_arena_create(nullptr, &other), MYONLY_OK);
    for (int i = 0; i < 1000; ++i) myonly_arena_alloc(other, 100);
    ASSERT_EQ(myonly_arena_check(other), MYONLY_OK);
    ASSERT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST(OwnMemoryTest, BadCallsAreAnswered) {
  Buffer buffer(64 * kKiB);
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create_in(nullptr, 64 * kKiB, nullptr, &arena),
            MYONLY_ERR_INVALID);
  EXPECT_EQ(
      myonly_arena_create_in(buffer.start, 64 * kKiB - 1, nullptr, &arena),
      MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_create_in(buffer.start, SIZE_MAX, nullptr, &arena),
            MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_create_in(buffer.start, 64 * kKiB, nullptr, nullptr),
            MYONLY_ERR_INVALID);
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.flags = MYONLY_ARENA_POISON_ON_RESET;
  EXPECT_EQ(myonly_arena_create_in(buffer.start, 64 * kKiB, &options, &arena),
            MYONLY_ERR_UNSUPPORTED);
  EXPECT_EQ(arena, nullptr);
}

TEST(OwnMemoryDeathTest, AFreeAfterItIsGoneIsReported) {
  Buffer buffer(64 * kKiB);
  myonly_arena* arena = NewArenaIn(buffer, 64 * kKiB);
  void* block = myonly_arena_alloc(arena, 100);
  EXPECT_DEATH(myonly_free(static_cast<char*>(block) + 16), "myonlymalloc: ");
  ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_DEATH(myonly_free(block), "free of a foreign address");
}

TEST(OwnMemoryTest, ThreadsAndForksShareIt) {
  constexpr size_t kBytes = 16 * kMiB;
  Buffer buffer(kBytes);
  myonly_arena* arena = NewArenaIn(buffer, kBytes);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([arena, t] {
      std::minstd_rand random(t + 1);
      std::vector<void*> blocks(100);
      for (int i = 0; i < 20000; ++i) {
        void*& block = blocks[random() % blocks.size()];
        myonly_free(block);
        block = myonly_arena_alloc(arena, random() % 20000);
      }
      for (void* block : blocks) myonly_free(block);
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(myonly::testing::IsTrueInChild([arena] {
      void* block = myonly_arena_alloc(arena, 500);
      myonly_free(block);
      return block != nullptr;
    }));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

}  // namespace
