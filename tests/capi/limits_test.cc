// Limits of arenas as programs meet them: quotas, trees, exact bytes, transfer,
// purge. Pressure has a test of its own.
#include "myonly/limits.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <atomic>
#include <cstddef>
#include <random>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "tests/support/resident.h"

namespace {

using myonly::testing::ResidentBytes;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kUnit = 32 * kKiB;
constexpr bool kIsSecure = myonly::internal::kIsSecure;
// In the preset secure a block of up to 4 MiB has a page more behind it, and
// here a unit for that.
constexpr size_t kEnd = kIsSecure ? kUnit : 0;

myonly_arena* NewArena(size_t limit_bytes, myonly_arena* parent = nullptr,
                       uint64_t flags = 0) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.limit_bytes = limit_bytes;
  options.parent = parent;
  options.flags = flags;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  return arena;
}

size_t Charged(myonly_arena* arena) {
  size_t charged = SIZE_MAX;
  EXPECT_EQ(myonly_arena_charged(arena, &charged), MYONLY_OK);
  return charged;
}

myonly_arena_stats_t StatsOf(myonly_arena* arena) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  return stats;
}

void Destroy(myonly_arena* arena) {
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

void ExpectRefused(myonly_arena* arena, size_t size) {
  errno = 0;
  EXPECT_EQ(myonly_arena_alloc(arena, size), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
}

// --- One limit. ---

TEST(LimitsTest, ASetLimitHoldsAlsoBelowTheCharge) {
  myonly_arena* arena = NewArena(0);
  void* block = myonly_arena_alloc(arena, kMiB);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(Charged(arena), kMiB + kEnd);
  ASSERT_EQ(myonly_arena_set_limit(arena, kMiB / 2 + kEnd), MYONLY_OK);
  EXPECT_EQ(StatsOf(arena).limit_bytes, kMiB / 2 + kEnd);
  ExpectRefused(arena, 1);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  myonly_free(block);
  EXPECT_EQ(Charged(arena), 0U);
  EXPECT_NE(myonly_arena_alloc(arena, kMiB / 2), nullptr);
  ExpectRefused(arena, 1);
  ASSERT_EQ(myonly_arena_set_limit(arena, 0), MYONLY_OK);
  EXPECT_NE(myonly_arena_alloc(arena, kMiB), nullptr);
  Destroy(arena);
}

TEST(LimitsTest, WhatAHugeBlockShrinksByIsNotChargedAnyMore) {
  myonly_arena* arena = NewArena(64 * kMiB);
  // Whole huge pages, of which less than one goes.
  void* block = myonly_arena_alloc(arena, 32 * kMiB);
  for (const size_t size : {32 * kMiB - 4096, 31 * kMiB, 30 * kMiB + 4096}) {
    block = myonly_arena_realloc(arena, block, size);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(Charged(arena), size);
    EXPECT_EQ(myonly_usable_size(block), size);
  }
  EXPECT_EQ(myonly_try_resize(block, 30 * kMiB, nullptr), 1);
  EXPECT_EQ(Charged(arena), 30 * kMiB);
  EXPECT_EQ(myonly_try_resize(block, 29 * kMiB, nullptr), 1);
  EXPECT_EQ(Charged(arena), 29 * kMiB);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  Destroy(arena);
}

TEST(LimitsTest, ABlockShrinksAtTheLimit) {
  myonly_arena* arena = NewArena(kMiB);
  void* block = myonly_arena_alloc(arena, 1040000);
  ASSERT_NE(block, nullptr);
  const size_t charged = Charged(arena);
  ASSERT_EQ(myonly_realloc(block, 20000), block);
  if (!kIsSecure) {
    EXPECT_LT(Charged(arena), charged / 4);
  } else {  // pages that fault are in the way
    EXPECT_EQ(Charged(arena), charged);
  }
  // There is room for the smaller kind now.
  void* moved = myonly_realloc(block, 10000);
  EXPECT_NE(moved, nullptr);
  myonly_free(moved);
  Destroy(arena);
}

TEST(LimitsTest, StatisticsTellOfLimitsAndChildren) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.limit_bytes = 4 * kMiB;
  options.soft_limit_bytes = 3 * kMiB;
  options.on_pressure = [](void*, myonly_arena*, int32_t) {};
  myonly_arena* parent = nullptr;
  ASSERT_EQ(myonly_arena_create(&options, &parent), MYONLY_OK);
  myonly_arena* child = NewArena(0, parent);
  const auto expect = [](const myonly_arena_stats_t& stats, uint64_t soft,
                         uint64_t children) {
    EXPECT_EQ(stats.limit_bytes, 4 * kMiB);
    EXPECT_EQ(stats.soft_limit_bytes, soft);
    EXPECT_EQ(stats.children, children);
  };
  expect(StatsOf(parent), 3 * kMiB, 1);
  EXPECT_EQ(StatsOf(child).soft_limit_bytes, 0U);
  ASSERT_EQ(myonly_arena_set_soft_limit(parent, kMiB), MYONLY_OK);
  Destroy(child);
  expect(StatsOf(parent), kMiB, 0);
  myonly_arena_stats_t peeked = MYONLY_ARENA_STATS_INIT;
  ASSERT_EQ(myonly_arena_peek(parent, &peeked), MYONLY_OK);
  expect(peeked, kMiB, 0);
  Destroy(parent);
}

// Whatever was kept free for later is not in the way of another kind.
TEST(LimitsTest, WhatIsKeptFreeIsGivenBackBeforeARequestIsRefused) {
  constexpr size_t kLimit = 4 * kMiB;
  for (const bool zeroed : {false, true}) {
    myonly_arena* arena = NewArena(kLimit);
    for (const size_t size : {size_t{24}, size_t{900}, size_t{20000}}) {
      std::vector<void*> blocks;
      while (void* block = myonly_arena_alloc(arena, size)) {
        blocks.push_back(block);
      }
      EXPECT_GT(blocks.size() * size, kLimit * 2 / 3) << size;
      for (void* block : blocks) myonly_free(block);
      void* large = zeroed ? myonly_arena_calloc(arena, 1, kLimit - 2 * kUnit)
                           : myonly_arena_alloc(arena, kLimit - 2 * kUnit);
      EXPECT_NE(large, nullptr) << size;
      myonly_free(large);
    }
    Destroy(arena);
  }
}

// All kinds, frees by others, resizes, while it is watched and the limit moves.
TEST(LimitsTest, EightThreadsNeverPassIt) {
  constexpr size_t kMost = 24 * kMiB;
  myonly_arena* arena = NewArena(kMost);
  std::atomic<bool> stop{false};
  std::atomic<size_t> passed{0};
  std::atomic<size_t> refused{0};
  std::atomic<void*> shelf[64] = {};
  const auto look = [&] {
    if (Charged(arena) > kMost) ++passed;
  };
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 6000; ++i) {
        const size_t most = size_t{16} << (random() % 19);
        void* block = myonly_arena_alloc(arena, 1 + random() % most);
        if (block != nullptr && random() % 4 == 0) {
          void* moved = myonly_arena_realloc(arena, block, 1 + random() % most);
          if (moved != nullptr) block = moved;
        }
        refused += block == nullptr ? 1 : 0;
        look();
        myonly_free(shelf[random() % 64].exchange(block));
      }
    });
  }
  std::thread setter([&] {
    while (!stop) {
      EXPECT_EQ(myonly_arena_set_limit(arena, kMost / 4), MYONLY_OK);
      EXPECT_EQ(myonly_arena_set_limit(arena, kMost), MYONLY_OK);
      look();
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  setter.join();
  EXPECT_EQ(passed, 0U);
  EXPECT_GT(refused, 0U);
  for (std::atomic<void*>& block : shelf) myonly_free(block);
  Destroy(arena);
}

// --- Trees. ---

TEST(LimitsTest, AParentIsChargedWhatItsChildrenHold) {
  myonly_arena* service = NewArena(10 * kMiB + 2 * kEnd);
  myonly_arena* tenant = NewArena(6 * kMiB + 3 * kEnd, service);
  myonly_arena* request = NewArena(0, tenant);
  myonly_arena* other = NewArena(0, service);
  ASSERT_NE(myonly_arena_alloc(request, 3 * kMiB), nullptr);
  ASSERT_NE(myonly_arena_alloc(tenant, 2 * kMiB), nullptr);
  EXPECT_EQ(StatsOf(service).children, 2U);
  EXPECT_EQ(StatsOf(tenant).children, 1U);
  EXPECT_EQ(StatsOf(request).children, 0U);
  EXPECT_EQ(Charged(request), 3 * kMiB + kEnd);
  EXPECT_EQ(Charged(tenant), 5 * kMiB + 2 * kEnd);
  EXPECT_EQ(Charged(service), 5 * kMiB + 2 * kEnd);
  ExpectRefused(request, 2 * kMiB);  // by the tenant's limit
  EXPECT_EQ(Charged(service), 5 * kMiB + 2 * kEnd);
  ASSERT_NE(myonly_arena_alloc(other, 5 * kMiB), nullptr);
  ExpectRefused(request, 1 * kMiB);  // by the service's
  ExpectRefused(other, 1);
  // A reset drops its own blocks and no child's.
  ASSERT_EQ(myonly_arena_reset(tenant), MYONLY_OK);
  EXPECT_EQ(Charged(tenant), 3 * kMiB + kEnd);
  EXPECT_EQ(Charged(service), 8 * kMiB + kEnd);
  EXPECT_EQ(myonly_arena_destroy(tenant, MYONLY_DESTROY_FREE), MYONLY_ERR_BUSY);
  EXPECT_EQ(myonly_arena_check(service), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(tenant), MYONLY_OK);
  Destroy(request);
  EXPECT_EQ(StatsOf(tenant).children, 0U);
  EXPECT_EQ(Charged(tenant), 0U);
  EXPECT_EQ(Charged(service), 5 * kMiB);
  Destroy(tenant);
  Destroy(other);
  EXPECT_EQ(Charged(service), 0U);
  Destroy(service);
}

TEST(LimitsTest, TreesHaveSixteenLevels) {
  std::vector<myonly_arena*> arenas = {NewArena(0)};
  while (arenas.size() < 16) arenas.push_back(NewArena(0, arenas.back()));
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.parent = arenas.back();
  myonly_arena* none = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &none), MYONLY_ERR_UNSUPPORTED);
  ASSERT_NE(myonly_arena_alloc(arenas.back(), 100), nullptr);
  EXPECT_EQ(Charged(arenas.front()), kUnit);
  for (; !arenas.empty(); arenas.pop_back()) Destroy(arenas.back());
}

// A service of eight threads: requests come and go, tenants are limited.
TEST(LimitsTest, RequestsOfManyThreadsKeepEveryLimit) {
  constexpr size_t kService = 8 * kMiB;
  constexpr size_t kTenant = 3 * kMiB;
  myonly_arena* service = NewArena(kService);
  myonly_arena* tenants[4];
  for (myonly_arena*& tenant : tenants) tenant = NewArena(kTenant, service);
  std::atomic<size_t> passed{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 150; ++i) {
        myonly_arena* request = NewArena(kMiB, tenants[random() % 4]);
        for (int j = 0; j < 60; ++j) {
          const size_t size = size_t{1} << (random() % 19);
          void* block = myonly_arena_alloc(request, size);
          if (j % 3 == 0) myonly_free(block);
          if (Charged(request) > kMiB) ++passed;
        }
        for (myonly_arena* tenant : tenants) {
          if (Charged(tenant) > kTenant) ++passed;
        }
        if (Charged(service) > kService) ++passed;
        Destroy(request);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 0U);
  EXPECT_EQ(Charged(service), 0U);
  for (myonly_arena* tenant : tenants) Destroy(tenant);
  Destroy(service);
}

// --- Exact bytes. ---

TEST(LimitsTest, ExactBytesAreThoseOfLiveBlocks) {
  constexpr size_t kLimit = 12345 * 16;
  myonly_arena* arena = NewArena(kLimit, nullptr, MYONLY_ARENA_EXACT_BYTES);
  std::mt19937 random(1);
  std::vector<void*> blocks;
  size_t held = 0;
  size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 3 != 0) {
      const size_t size = 1 + random() % (size_t{16} << (random() % 14));
      void* block = myonly_arena_alloc(arena, size);
      if (block == nullptr) {
        EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
        EXPECT_GT(size + 64 + 4096, kLimit - Charged(arena));
        ++refused;
      } else {
        blocks.push_back(block);
        held += myonly_usable_size(block);
      }
    } else if (!blocks.empty()) {
      void*& block = blocks[random() % blocks.size()];
      held -= myonly_usable_size(block);
      if (random() % 2 == 0) {
        void* moved = myonly_arena_realloc(arena, block, 1 + random() % 90000);
        if (moved != nullptr) block = moved;
        held += myonly_usable_size(block);
      } else {
        myonly_free(block);
        block = blocks.back();
        blocks.pop_back();
      }
    }
    const size_t charged = Charged(arena);
    if (!kIsSecure) {
      ASSERT_EQ(charged, held) << i;
    } else {  // what is kept behind each payload is charged
      ASSERT_GE(charged, held) << i;
    }
    ASSERT_LE(charged, kLimit);
    ASSERT_EQ(StatsOf(arena).live_bytes, charged);
  }
  EXPECT_GT(refused, 100U);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  EXPECT_EQ(Charged(arena), 0U);
  Destroy(arena);
}

// The last byte can be had, and no byte more.
TEST(LimitsTest, ExactBytesAreExact) {
  myonly_arena* arena = NewArena(0, nullptr, MYONLY_ARENA_EXACT_BYTES);
  void* block = myonly_arena_alloc(arena, 1000);
  const size_t behind = kIsSecure ? 16 : 0;
  const size_t usable = myonly_usable_size(block) + behind;
  EXPECT_EQ(Charged(arena), usable);
  myonly_free(block);
  ASSERT_EQ(myonly_arena_set_limit(arena, usable), MYONLY_OK);
  block = myonly_arena_alloc(arena, 1000);
  EXPECT_NE(block, nullptr);
  ExpectRefused(arena, 0);
  myonly_free(block);
  ASSERT_EQ(myonly_arena_set_limit(arena, usable - 1), MYONLY_OK);
  ExpectRefused(arena, 1000);
  EXPECT_EQ(Charged(arena), 0U);
  // Pages of large blocks and mappings.
  ASSERT_EQ(myonly_arena_set_limit(arena, 10 * kMiB), MYONLY_OK);
  void* huge = myonly_arena_alloc(arena, 9 * kMiB);
  EXPECT_NE(huge, nullptr);
  EXPECT_NE(myonly_arena_alloc(arena, kMiB), nullptr);
  ExpectRefused(arena, 1);
  Destroy(arena);
}

TEST(LimitsTest, ExactBytesOfThreadsAreExact) {
  constexpr size_t kLimit = 300000;
  myonly_arena* parent = NewArena(kLimit, nullptr, MYONLY_ARENA_EXACT_BYTES);
  myonly_arena* arenas[2] = {NewArena(0, parent), NewArena(0, parent)};
  std::atomic<size_t> held{0};
  std::atomic<size_t> passed{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<void*> blocks;
      for (int i = 0; i < 4000; ++i) {
        if (blocks.empty() || random() % 2 == 0) {
          void* block = myonly_arena_alloc(arenas[t % 2], random() % 5000);
          if (block == nullptr) continue;
          const size_t usable = myonly_usable_size(block);
          if (held.fetch_add(usable) + usable > kLimit) ++passed;
          blocks.push_back(block);
        } else {
          held -= myonly_usable_size(blocks.back());
          myonly_free(blocks.back());
          blocks.pop_back();
        }
        if (Charged(parent) > kLimit) ++passed;
      }
      for (void* block : blocks) {
        held -= myonly_usable_size(block);
        myonly_free(block);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 0U);
  EXPECT_EQ(Charged(parent), 0U);
  for (myonly_arena* arena : arenas) Destroy(arena);
  Destroy(parent);
}

TEST(LimitsTest, ATreeCountsOneThing) {
  myonly_arena* pages = NewArena(0);
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.parent = pages;
  options.flags = MYONLY_ARENA_EXACT_BYTES;
  myonly_arena* none = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &none), MYONLY_ERR_UNSUPPORTED);
  Destroy(pages);
  // A slot that counted blocks does not for the next arena.
  myonly_arena* exact = NewArena(0, nullptr, MYONLY_ARENA_EXACT_BYTES);
  Destroy(exact);
  pages = NewArena(0);
  ASSERT_NE(myonly_arena_alloc(pages, 1), nullptr);
  EXPECT_EQ(Charged(pages), kUnit);
  Destroy(pages);
}

// --- Transfer. ---

TEST(LimitsTest, ABlockAndItsChargeGoToAnotherArena) {
  for (const uint64_t flags : {uint64_t{0}, MYONLY_ARENA_EXACT_BYTES}) {
    myonly_arena* parent = NewArena(40 * kMiB, nullptr, flags);
    myonly_arena* from = NewArena(0, parent);
    myonly_arena* to = NewArena(12 * kMiB, parent);
    for (const size_t size : {100 * kKiB, kMiB, 10 * kMiB}) {
      auto* block = static_cast<char*>(myonly_arena_alloc(from, size));
      ASSERT_NE(block, nullptr);
      memset(block, 7, size);
      const size_t charge = Charged(from);
      ASSERT_EQ(myonly_arena_transfer(block, to), MYONLY_OK) << size;
      EXPECT_EQ(Charged(from), 0U);
      EXPECT_EQ(Charged(to), charge);
      EXPECT_EQ(Charged(parent), charge);
      EXPECT_EQ(StatsOf(from).live_blocks, 0U);
      EXPECT_EQ(StatsOf(to).live_blocks, 1U);
      EXPECT_EQ(myonly_arena_check(from), MYONLY_OK);
      EXPECT_EQ(myonly_arena_check(to), MYONLY_OK);
      myonly_arena* owner = nullptr;
      EXPECT_EQ(myonly_arena_of(block + size - 1, &owner), MYONLY_OK);
      EXPECT_EQ(owner, to);
      // A reset of the old arena is nothing to it.
      EXPECT_EQ(myonly_arena_reset(from), MYONLY_OK);
      EXPECT_EQ(block[0] + block[size - 1], 14);
      EXPECT_EQ(myonly_arena_transfer(block, to), MYONLY_OK);
      myonly_free(block);
      EXPECT_EQ(Charged(parent), 0U);
    }
    Destroy(from);
    Destroy(to);
    Destroy(parent);
  }
}

TEST(LimitsTest, WhatIsKeptFreeIsGivenBackBeforeATransferIsRefused) {
  constexpr size_t kLimit = 4 * kMiB;
  myonly_arena* parent = NewArena(0);
  myonly_arena* from = NewArena(0, parent);
  myonly_arena* to = NewArena(kLimit, parent);
  std::vector<void*> blocks;
  while (void* block = myonly_arena_alloc(to, 4000)) blocks.push_back(block);
  for (void* block : blocks) myonly_free(block);
  const size_t kept = Charged(to);
  EXPECT_GT(kept, 0U);
  void* block = myonly_arena_alloc(from, kLimit - 2 * kUnit);
  ASSERT_NE(block, nullptr);
  ASSERT_GT(kept + Charged(from), kLimit);
  EXPECT_EQ(myonly_arena_transfer(block, to), MYONLY_OK);
  EXPECT_EQ(StatsOf(to).refusals, 1U);  // of the request before
  Destroy(from);
  Destroy(to);
  Destroy(parent);
}

TEST(LimitsTest, NotEveryBlockCanGo) {
  myonly_arena* parent = NewArena(0);
  myonly_arena* from = NewArena(0, parent);
  myonly_arena* to = NewArena(kMiB, parent);
  myonly_arena* foreign = NewArena(0);
  EXPECT_EQ(myonly_arena_transfer(myonly_arena_alloc(from, 100), to),
            MYONLY_ERR_UNSUPPORTED);
  auto* block = static_cast<char*>(myonly_arena_alloc(from, 2 * kMiB));
  EXPECT_EQ(myonly_arena_transfer(block, to), MYONLY_ERR_QUOTA);
  EXPECT_EQ(Charged(from), 2 * kMiB + kEnd + kUnit);
  EXPECT_EQ(myonly_arena_transfer(block, foreign), MYONLY_ERR_UNSUPPORTED);
  EXPECT_EQ(myonly_arena_transfer(block + 16, parent), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_transfer(&block, parent), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_transfer(nullptr, parent), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_transfer(block, nullptr), MYONLY_ERR_INVALID);
  // To a parent, whose charge stays as it is, however low its limit.
  ASSERT_EQ(myonly_arena_set_limit(parent, kMiB), MYONLY_OK);
  EXPECT_EQ(myonly_arena_transfer(block, parent), MYONLY_OK);
  EXPECT_EQ(Charged(parent), 2 * kMiB + kEnd + kUnit);
  void* process = myonly_alloc(kMiB);
  EXPECT_EQ(myonly_arena_transfer(process, parent), MYONLY_ERR_UNSUPPORTED);
  myonly_free(process);
  Destroy(to);
  EXPECT_EQ(myonly_arena_transfer(block, to), MYONLY_ERR_STALE);
  Destroy(from);
  Destroy(foreign);
  Destroy(parent);
}

TEST(LimitsTest, TransferChecksTheBlockAndTheHandleFirst) {
  myonly_arena* arena = NewArena(0);
  myonly_arena* stale = NewArena(0);
  Destroy(stale);
  for (size_t size : {kMiB, 10 * kMiB}) {
    auto* block = static_cast<char*>(myonly_arena_alloc(arena, size));
    EXPECT_EQ(myonly_arena_transfer(block, arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_transfer(block + 16, arena), MYONLY_ERR_INVALID);
    myonly_free(block);
  }
  void* small = myonly_arena_alloc(arena, 100);
  EXPECT_EQ(myonly_arena_transfer(small, stale), MYONLY_ERR_STALE);
  EXPECT_EQ(myonly_arena_transfer(small, nullptr), MYONLY_ERR_INVALID);
  Destroy(arena);
}

// --- Purge, and stale handles. ---

TEST(LimitsTest, PurgeGivesBackWhatTheArenaKeepsFree) {
  myonly_arena* arena = NewArena(0);
  std::vector<void*> blocks;
  for (int i = 0; i < 40000; ++i) {
    blocks.push_back(myonly_arena_alloc(arena, 200));
  }
  for (void* block : blocks) myonly_free(block);
  const size_t before = Charged(arena);
  const size_t free_bytes = StatsOf(arena).free_block_bytes;
  ASSERT_EQ(myonly_arena_purge(arena, free_bytes), MYONLY_OK);
  EXPECT_EQ(StatsOf(arena).free_block_bytes, free_bytes);
  ASSERT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
  EXPECT_LE(Charged(arena), before);
  EXPECT_LE(Charged(arena), 8 * kUnit);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  Destroy(arena);
}

// Of what lies between live blocks, however often it is asked for.
TEST(LimitsTest, PurgeLeavesAboutWhatItIsTold) {
  myonly_arena* arena = NewArena(0);
  std::vector<void*> blocks;
  for (int i = 0; i < 4000; ++i) {
    blocks.push_back(myonly_arena_alloc(arena, 10000));
    memset(blocks.back(), 1, 10000);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 8 != 0) myonly_free(blocks[i]);
  }
  // Some 35 MB.
  const size_t free_bytes = StatsOf(arena).free_block_bytes;
  const size_t before = ResidentBytes();
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(myonly_arena_purge(arena, free_bytes / 2), MYONLY_OK);
    const size_t given_back = before - ResidentBytes();
    EXPECT_GT(given_back, free_bytes / 4) << round;
    EXPECT_LT(given_back, free_bytes * 5 / 8) << round;
  }
  ASSERT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
  EXPECT_GT(before - ResidentBytes(), free_bytes * 6 / 8);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  Destroy(arena);
}

TEST(LimitsTest, WrongHandlesAreAnswered) {
  myonly_arena* stale = NewArena(0);
  Destroy(stale);
  size_t charged = 0;
  const auto expect = [&charged](myonly_arena* arena, myonly_status status) {
    EXPECT_EQ(myonly_arena_set_limit(arena, 1), status);
    EXPECT_EQ(myonly_arena_set_soft_limit(arena, 1), status);
    EXPECT_EQ(myonly_arena_charged(arena, &charged), status);
    EXPECT_EQ(myonly_arena_purge(arena, 0), status);
    EXPECT_EQ(myonly_last_status(), status);
  };
  expect(stale, MYONLY_ERR_STALE);
  expect(nullptr, MYONLY_ERR_INVALID);
  myonly_arena* arena = NewArena(0);
  EXPECT_EQ(myonly_arena_charged(arena, nullptr), MYONLY_ERR_INVALID);
  Destroy(arena);
}

}  // namespace
