// Arenas over page functions of the program.
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

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

// Small, large and huge ones.
void FillAndFree(myonly_arena* arena, size_t* bytes) {
  std::vector<void*> blocks;
  *bytes = 0;
  for (size_t i = 0; i < 1000; ++i) {
    const size_t size = i % 100 == 0 ? (i % 500 == 0 ? 6 * kMiB : kMiB) : 9000;
    blocks.push_back(myonly_arena_alloc(arena, size));
    ASSERT_NE(blocks.back(), nullptr);
    memset(blocks.back(), 1, size);
    *bytes += size;
  }
  for (void* block : blocks) myonly_free(block);
}

TEST(PageSourceTest, WhatIsFreeGoesBackWhole) {
  Pages pages;
  myonly_arena* arena = NewArenaOver(&pages);
  size_t bytes;
  for (int how = 0; how < 3; ++how) {
    SCOPED_TRACE(how);
    FillAndFree(arena, &bytes);
    pages.purged = 0;
    if (how == 1) {
      EXPECT_GE(myonly_purge(0), bytes);
    } else {
      if (how == 2) {
        EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
      }
      EXPECT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
    }
    EXPECT_GE(pages.purged, bytes);
    // It is clean then: nothing more to purge, and nothing to clear.
    pages.purged = 0;
    EXPECT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
    EXPECT_EQ(pages.purged, 0U);
    for (size_t size : {100 * size_t{1}, 9000 * size_t{1}, 6 * kMiB}) {
      auto* block = static_cast<char*>(myonly_arena_calloc(arena, 1, size));
      ASSERT_NE(block, nullptr);
      EXPECT_TRUE(std::all_of(block, block + size, [](char c) { return !c; }));
      myonly_free(block);
    }
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(PageSourceTest, APurgeLeavesWhatItIsAskedToLeave) {
  Pages pages;
  myonly_arena* arena = NewArenaOver(&pages);
  size_t bytes;
  FillAndFree(arena, &bytes);
  EXPECT_EQ(myonly_arena_purge(arena, 8 * kMiB), MYONLY_OK);
  EXPECT_GE(pages.purged, bytes - 8 * kMiB);
  pages.purged = 0;
  EXPECT_EQ(myonly_arena_purge(arena, 2 * kMiB), MYONLY_OK);
  EXPECT_GE(pages.purged, 5 * kMiB);
  EXPECT_LE(pages.purged, 7 * kMiB);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
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

// In large blocks and mappings of the process heap.
TEST(PageSourceTest, FunctionsMayTakeTheirPagesFromTheProcessHeap) {
  static size_t held = 0;
  myonly_page_source source = MYONLY_PAGE_SOURCE_INIT;
  source.reserve = [](void*, size_t bytes, size_t alignment) {
    void* start = myonly_aligned_alloc(alignment, bytes);
    if (start != nullptr) memset(start, 0, bytes);
    held += start != nullptr ? bytes : 0;
    return start;
  };
  source.release = [](void*, void* start, size_t bytes) {
    myonly_free(start);
    held -= bytes;
    return 1;
  };
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.pages = &source;
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  std::vector<char*> blocks;
  for (size_t i = 0; i < 3000; ++i) {
    const size_t size = i % 100 == 0 ? kMiB : i * 7 % 20000;
    blocks.push_back(static_cast<char*>(myonly_arena_alloc(arena, size)));
    ASSERT_NE(blocks.back(), nullptr);
    memset(blocks.back(), 1, size);
    if (i % 3 == 0) {
      myonly_free(blocks.back());
      blocks.pop_back();
    }
  }
  for (char*& block : blocks) {
    myonly_arena* owner = nullptr;
    ASSERT_EQ(myonly_arena_of(block, &owner), MYONLY_OK);
    ASSERT_EQ(owner, arena);
    block = static_cast<char*>(myonly_realloc(block, 10000));
    ASSERT_NE(block, nullptr);
  }
  EXPECT_GT(held, 16 * kMiB);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(held, 0u);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

// --- Destroyed, with its memory, in the midst of a call for it. ---

// A buffer that is unmapped as soon as its arena is gone.
struct Unmapped {
  static constexpr size_t kBytes = 8 * kMiB;

  explicit Unmapped(const myonly_arena_options* options) {
    buffer = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(myonly_arena_create_in(buffer, kBytes, options, &arena),
              MYONLY_OK);
  }
  void Destroy() const {
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    munmap(buffer, kBytes);
  }

  void* buffer;
  myonly_arena* arena = nullptr;
};

TEST(OwnMemoryGoneTest, AVisitorMayDestroyWhatItWalks) {
  Unmapped memory(nullptr);
  for (int i = 0; i < 1000; ++i) myonly_arena_alloc(memory.arena, 100);
  const myonly_status status = myonly_arena_walk(
      memory.arena, nullptr,
      [](void* ctx, const myonly_block_info*) {
        auto* unmapped = static_cast<Unmapped*>(ctx);
        if (unmapped->buffer != nullptr) unmapped->Destroy();
        unmapped->buffer = nullptr;
        return 0;
      },
      &memory);
  if (status == MYONLY_ERR_UNSUPPORTED) GTEST_SKIP() << "the fast preset";
  EXPECT_EQ(status, MYONLY_ERR_STALE);
}

TEST(OwnMemoryGoneTest, ACallbackOfItsParentMayDestroyIt) {
  const auto grow = [](myonly_arena* arena, int how) -> void* {
    if (how == 0) return myonly_arena_alloc(arena, 3 * kMiB);
    if (how == 1) return myonly_arena_calloc(arena, 3, kMiB);
    if (how == 2) return myonly_arena_aligned_alloc(arena, 4096, 3 * kMiB);
    void* block = myonly_arena_alloc(arena, how == 3 ? 100 : kMiB);
    return myonly_realloc(block, 3 * kMiB);
  };
  for (int how = 0; how < 5; ++how) {
    static const Unmapped* child = nullptr;
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.soft_limit_bytes = 2 * kMiB;
    options.on_pressure = [](void*, myonly_arena*, int32_t event) {
      if (event == MYONLY_PRESSURE_SOFT) child->Destroy();
    };
    myonly_arena* parent = nullptr;
    ASSERT_EQ(myonly_arena_create(&options, &parent), MYONLY_OK);
    myonly_arena_options of_child = MYONLY_ARENA_OPTIONS_INIT;
    of_child.parent = parent;
    const Unmapped memory(&of_child);
    child = &memory;
    EXPECT_EQ(grow(memory.arena, how), nullptr) << how;
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE) << how;
    size_t charged = 1;
    EXPECT_EQ(myonly_arena_charged(parent, &charged), MYONLY_OK);
    EXPECT_EQ(charged, 0u);
    EXPECT_EQ(myonly_arena_destroy(parent, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
}

// --- The life of an arena while its functions fail. ---

struct FailingPages : Pages {
  size_t fail_at = SIZE_MAX;
  bool purges = true;
  bool releases = true;
  size_t failures = 0;
  size_t releases_asked = 0;
};

void* ReserveOrFail(void* ctx, size_t bytes, size_t alignment) {
  auto* pages = static_cast<FailingPages*>(ctx);
  if (pages->calls == pages->fail_at || pages->calls >= pages->fail_from) {
    ++pages->calls;
    ++pages->failures;
    return nullptr;
  }
  return Reserve(static_cast<Pages*>(pages), bytes, alignment);
}
int PurgeOrFail(void* ctx, void* start, size_t bytes) {
  auto* pages = static_cast<FailingPages*>(ctx);
  if (pages->purges) return Purge(static_cast<Pages*>(pages), start, bytes);
  ++pages->failures;
  return 0;
}
// Whole, once, also if it says that it could not be done.
int ReleaseOrFail(void* ctx, void* start, size_t bytes) {
  auto* pages = static_cast<FailingPages*>(ctx);
  ++pages->releases_asked;
  Release(static_cast<Pages*>(pages), start, bytes);
  return pages->releases ? 1 : 0;
}

// Blocks of an arena and what is in them.
class Life {
 public:
  explicit Life(FailingPages* pages) {
    myonly_page_source source = MYONLY_PAGE_SOURCE_INIT;
    source.ctx = pages;
    source.reserve = ReserveOrFail;
    source.purge = PurgeOrFail;
    source.release = ReleaseOrFail;
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.pages = &source;
    EXPECT_EQ(myonly_arena_create(&options, &arena_), MYONLY_OK);
  }

  void Allocate(size_t size) {
    auto* block = static_cast<unsigned char*>(myonly_arena_alloc(arena_, size));
    if (block == nullptr) return ExpectRefused();
    block[0] = block[size - 1] = size & 255;
    blocks_.push_back({block, size});
  }
  void Resize(size_t index, size_t size) {
    if (blocks_.empty()) return;
    auto& [block, old_size] = blocks_[index % blocks_.size()];
    void* moved = myonly_arena_realloc(arena_, block, size);
    if (moved == nullptr) {
      ExpectRefused();
    } else {
      block = static_cast<unsigned char*>(moved);
      EXPECT_EQ(block[0], old_size & 255);
      old_size = size;
    }
    block[0] = block[old_size - 1] = old_size & 255;
  }
  void FreeHalf() {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      myonly_free(blocks_[i].first);
      blocks_[i] = blocks_.back();
      blocks_.pop_back();
    }
    Check();
  }
  void Reset() {
    Check();
    blocks_.clear();
    EXPECT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
  }
  void Check() {
    for (const auto& [block, size] : blocks_) {
      ASSERT_EQ(block[0], size & 255);
      ASSERT_EQ(block[size - 1], size & 255);
    }
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
  }
  void Purge() { EXPECT_EQ(myonly_arena_purge(arena_, 0), MYONLY_OK); }
  void Destroy() {
    Check();
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
    EXPECT_EQ(myonly_arena_alloc(arena_, 10), nullptr);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  }

 private:
  void ExpectRefused() {
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
  }

  myonly_arena* arena_ = nullptr;
  std::vector<std::pair<unsigned char*, size_t>> blocks_;
};

void LiveWith(FailingPages* pages) {
  Life life(pages);
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 300; ++i) life.Allocate(1 + i * 37 % 3000);
    for (size_t i = 0; i < 10; ++i) life.Allocate(70000 + i * 30000);
    for (size_t i = 1; i < 4; ++i) life.Allocate(i * 3 * kMiB);
    for (size_t i = 0; i < 20; ++i) life.Resize(i * 17, 1 + i * 50000);
    life.FreeHalf();
    life.Purge();
    if (round == 1) life.Reset();
  }
  life.Destroy();
  EXPECT_TRUE(pages->reserved.empty());
}

TEST(PageSourceLifeTest, EachReserveFailsOnceAndFromThereOn) {
  for (const bool for_ever : {false, true}) {
    size_t n = 0;
    for (;; ++n) {
      ASSERT_LT(n, 1000u);
      FailingPages pages;
      (for_ever ? pages.fail_from : pages.fail_at) = n;
      LiveWith(&pages);
      ASSERT_FALSE(HasFailure()) << n;
      if (pages.failures == 0) break;
    }
    EXPECT_GT(n, 3u);
  }
}

TEST(PageSourceLifeTest, PurgeAndReleaseMayFail) {
  for (const bool purges : {false, true}) {
    FailingPages pages;
    pages.purges = purges;
    pages.releases = false;
    LiveWith(&pages);
    EXPECT_GT(pages.releases_asked, 0u);
    EXPECT_EQ(pages.failures != 0, !purges);
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
  std::vector<char> buffer(64 * kKiB);
  EXPECT_EQ(myonly_arena_create_in(buffer.data(), 64 * kKiB, &options, &arena),
            MYONLY_ERR_INVALID);
}

}  // namespace
