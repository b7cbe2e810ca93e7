// Arenas over a buffer of the program, and over its page functions.
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

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

// Wherever the buffer begins. What is left is whole slices, and little else.
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
    EXPECT_GT(bytes, 28 * kKiB) << offset;
    ASSERT_EQ(myonly_arena_check(arena), MYONLY_OK);
    ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    EXPECT_NE(myonly_arena_alloc(arena, 20000), nullptr);
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
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
    const pid_t child = fork();
    if (child == 0) {
      void* block = myonly_arena_alloc(arena, 500);
      myonly_free(block);
      // Not by an exit, where a sanitizer would miss the parent's threads.
      if (block != nullptr) raise(SIGKILL);
      _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// --- Page functions. ---

struct Pages {
  std::map<void*, size_t> reserved;
  size_t calls = 0;
  size_t fail_from = SIZE_MAX;
  size_t purged = 0;
};

void* Reserve(void* ctx, size_t bytes, size_t alignment) {
  auto* pages = static_cast<Pages*>(ctx);
  if (pages->calls++ >= pages->fail_from) return nullptr;
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  EXPECT_LE(alignment, 4096u);
  pages->reserved[start] = bytes;
  return start;
}
int Purge(void* ctx, void* start, size_t bytes) {
  static_cast<Pages*>(ctx)->purged += bytes;
  return madvise(start, bytes, MADV_DONTNEED) == 0 ? 1 : 0;
}
int Release(void* ctx, void* start, size_t bytes) {
  auto* pages = static_cast<Pages*>(ctx);
  EXPECT_EQ(pages->reserved[start], bytes);
  pages->reserved.erase(start);
  return munmap(start, bytes) == 0 ? 1 : 0;
}

myonly_arena* NewArenaOver(Pages* pages) {
  myonly_page_source source = MYONLY_PAGE_SOURCE_INIT;
  source.ctx = pages;
  source.reserve = Reserve;
  source.purge = Purge;
  source.release = Release;
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.pages = &source;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  memset(&source, 0xff, sizeof(source));  // it was copied
  return arena;
}

bool Has(const Pages& pages, const void* block, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  return std::any_of(
      pages.reserved.begin(), pages.reserved.end(), [&](const auto& range) {
        const auto start = reinterpret_cast<uintptr_t>(range.first);
        return address >= start && address + bytes <= start + range.second;
      });
}

TEST(PageSourceTest, EveryBlockIsInItsPagesAndAllOfThemAreReleased) {
  Pages pages;
  myonly_arena* arena = NewArenaOver(&pages);
  EXPECT_TRUE(pages.reserved.empty());  // nothing before it is needed
  std::minstd_rand random(1);
  std::map<unsigned char*, size_t> live;
  for (int i = 0; i < 20000; ++i) {
    if (live.size() < 200 || random() % 2 == 0) {
      const size_t size =
          random() % (random() % 50 == 0 ? 20 * kMiB : 3000 * (i % 3 + 1));
      auto* block =
          static_cast<unsigned char*>(myonly_arena_alloc(arena, size));
      ASSERT_NE(block, nullptr);
      ASSERT_TRUE(Has(pages, block, size));
      if (size != 0) block[0] = block[size - 1] = size & 255;
      live[block] = size;
    } else {
      auto it = live.begin();
      std::advance(it, random() % live.size());
      if (it->second != 0) {
        ASSERT_EQ(it->first[0], it->second & 255);
        ASSERT_EQ(it->first[it->second - 1], it->second & 255);
      }
      myonly_free(it->first);
      live.erase(it);
    }
  }
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_TRUE(pages.reserved.empty());
}

TEST(PageSourceTest, AFailureLosesNothing) {
  for (size_t fail_from = 0; fail_from < 8; ++fail_from) {
    Pages pages;
    pages.fail_from = fail_from;
    myonly_arena* arena = NewArenaOver(&pages);
    std::vector<void*> blocks;
    for (;;) {
      void* block = myonly_arena_alloc(arena, 100000);
      if (block == nullptr) break;
      memset(block, 1, 100000);
      blocks.push_back(block);
      if (blocks.size() == 1000) break;
    }
    if (blocks.size() < 1000) {
      EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
    }
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    pages.fail_from = SIZE_MAX;
    void* again = myonly_arena_alloc(arena, 100000);
    EXPECT_NE(again, nullptr);
    myonly_free(again);
    for (void* block : blocks) myonly_free(block);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
    EXPECT_TRUE(pages.reserved.empty());
  }
}

TEST(PageSourceTest, BadTablesAreAnswered) {
  myonly_page_source source = MYONLY_PAGE_SOURCE_INIT;
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.pages = &source;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_ERR_INVALID);
  source.reserve = Reserve;
  source.version = 1;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_ERR_UNSUPPORTED);
  source.version = 0;
  source.struct_size = 8;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_ERR_INVALID);
  Buffer buffer(64 * kKiB);
  EXPECT_EQ(myonly_arena_create_in(buffer.start, 64 * kKiB, &options, &arena),
            MYONLY_ERR_INVALID);
}

}  // namespace
