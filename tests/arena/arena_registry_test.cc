// Handles of arenas: what is found, what is stale, what never was one, and the
// table from empty to full.
#include "allocator/arena/arena_registry.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/base/status.h"
#include "allocator/large/quota.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/page_source.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

class ArenaRegistryTest : public ::testing::Test {
 protected:
  ArenaRegistryTest()
      : ground_(pages_),
        registry_(pages_, ground_.metadata(), ground_.runs(), ground_.huge(),
                  TestSeed) {}

  ArenaRegistry& registry() { return registry_; }
  Ground& ground() { return ground_; }
  FakePageSource& pages() { return pages_; }

  ArenaHandle Create() {
    ArenaHandle handle = 0;
    EXPECT_EQ(registry_.Create(ArenaOptions(), &handle), Status::kOk);
    return handle;
  }
  Arena* Find(ArenaHandle handle) {
    Status status = Status::kOk;
    return registry_.Find(handle, &status);
  }
  Status StatusOf(ArenaHandle handle) {
    Status status = Status::kOk;
    return registry_.Find(handle, &status) != nullptr ? Status::kOk : status;
  }

 private:
  FakePageSource pages_;
  Ground ground_;
  ArenaRegistry registry_;
};

TEST_F(ArenaRegistryTest, HandlesFindTheirArenas) {
  std::set<ArenaHandle> handles;
  std::set<Arena*> arenas;
  for (int i = 0; i < 1000; ++i) {
    const ArenaHandle handle = Create();
    Arena* arena = Find(handle);
    ASSERT_NE(arena, nullptr);
    EXPECT_EQ(arena->token(), handle);
    handles.insert(handle);
    arenas.insert(arena);
  }
  EXPECT_EQ(handles.size(), 1000U);
  EXPECT_EQ(arenas.size(), 1000U);
}

TEST_F(ArenaRegistryTest, NothingIsFoundBeforeTheFirstArena) {
  EXPECT_EQ(StatusOf(1 << 24 | 1 << 4), Status::kInvalid);
}

TEST_F(ArenaRegistryTest, WhatNeverWasAHandleIsInvalid) {
  const ArenaHandle handle = Create();
  int on_stack = 0;
  const ArenaHandle bad[] = {0,
                             1,
                             ~ArenaHandle{0},
                             handle | 1,
                             handle | 8,
                             handle + 16,        // a slot not in use
                             handle & 0xffffff,  // no generation
                             handle & ~ArenaHandle{0xffffff},  // no slot
                             handle + (ArenaHandle{1} << 24),  // the future
                             reinterpret_cast<ArenaHandle>(&on_stack),
                             reinterpret_cast<ArenaHandle>(Find(handle))};
  for (ArenaHandle value : bad) {
    EXPECT_EQ(StatusOf(value), Status::kInvalid) << std::hex << value;
    EXPECT_EQ(registry().Destroy(value, false), Status::kInvalid);
  }
  EXPECT_EQ(StatusOf(handle), Status::kOk);
}

TEST_F(ArenaRegistryTest, ADestroyedHandleIsStaleForEver) {
  const ArenaHandle first = Create();
  EXPECT_EQ(registry().Destroy(first, false), Status::kOk);
  EXPECT_EQ(StatusOf(first), Status::kStale);
  EXPECT_EQ(registry().Destroy(first, false), Status::kStale);
  // Nor is a handle found that there is to be.
  const ArenaHandle to_be = first + (1 << 24);
  EXPECT_EQ(StatusOf(to_be), Status::kInvalid);
  EXPECT_EQ(Create(), to_be);
  EXPECT_EQ(registry().Destroy(to_be, false), Status::kOk);
  for (int i = 0; i < 100; ++i) {
    const ArenaHandle next = Create();
    EXPECT_EQ(StatusOf(first), Status::kStale);
    EXPECT_EQ(registry().Destroy(next, false), Status::kOk);
    EXPECT_EQ(StatusOf(next), Status::kStale);
  }
}

TEST_F(ArenaRegistryTest, ASlotIsUsedAgainWithItsArenaObject) {
  const ArenaHandle first = Create();
  Arena* const arena = Find(first);
  registry().Destroy(first, false);
  const size_t metadata = ground().metadata().reserved_bytes();
  for (int i = 0; i < 10000; ++i) {
    const ArenaHandle next = Create();
    ASSERT_NE(next, first);
    ASSERT_EQ(Find(next), arena);
    registry().Destroy(next, false);
  }
  EXPECT_EQ(ground().metadata().reserved_bytes(), metadata);
}

TEST_F(ArenaRegistryTest, ANewArenaInAnOldSlotStartsAtZero) {
  ArenaOptions options;
  options.name = "first";
  options.limit_bytes = size_t{1} << 20;
  ArenaHandle handle = 0;
  ASSERT_EQ(registry().Create(options, &handle), Status::kOk);
  Status status = Status::kOk;
  ASSERT_NE(Find(handle)->Allocate(100, &status), nullptr);
  Find(handle)->Reset();
  registry().Destroy(handle, false);
  const ArenaStats stats = Find(Create())->Stats();
  EXPECT_STREQ(stats.name, "arena");
  EXPECT_EQ(stats.allocations + stats.frees + stats.resets, 0U);
  EXPECT_EQ(stats.peak_live_bytes + stats.limit_bytes, 0U);
}

TEST_F(ArenaRegistryTest, RequireEmptyRefusesAnArenaInUse) {
  const ArenaHandle handle = Create();
  Status status = Status::kOk;
  void* ptr = Find(handle)->Allocate(100, &status);
  EXPECT_EQ(registry().Destroy(handle, true), Status::kBusy);
  EXPECT_EQ(StatusOf(handle), Status::kOk);
  Fill(ptr, 100, 1);
  ground().Free(ptr);
  EXPECT_EQ(registry().Destroy(handle, true), Status::kOk);
}

TEST_F(ArenaRegistryTest, VisitorsSeeTheLiveOnesInOrder) {
  std::vector<ArenaHandle> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(Create());
  for (int i = 8; i >= 0; i -= 2) {
    registry().Destroy(handles[i], false);
    handles.erase(handles.begin() + i);
  }
  std::vector<ArenaHandle> seen;
  size_t slot = 0;
  while (Arena* arena = registry().BeginVisit(&slot)) {
    seen.push_back(arena->token());
    registry().EndVisit(arena);
  }
  EXPECT_EQ(seen, handles);
}

TEST_F(ArenaRegistryTest, NoMemoryForTheTableOrAnArena) {
  ArenaHandle handle = 12345;
  for (int64_t call = 0; call < 2; ++call) {
    pages().FailCall(call);
    EXPECT_EQ(registry().Create(ArenaOptions(), &handle), Status::kNoMemory);
    EXPECT_EQ(handle, 12345U);
  }
  EXPECT_EQ(StatusOf(Create()), Status::kOk);
}

TEST_F(ArenaRegistryTest, ThreadsCreateFindAndDestroy) {
  constexpr int kThreads = 4;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        ArenaHandle handle = 0;
        Status status = registry().Create(ArenaOptions(), &handle);
        if (status != Status::kOk) ++wrong;
        Arena* arena = registry().Find(handle, &status);
        if (arena == nullptr || arena->token() != handle) ++wrong;
        if (registry().Destroy(handle, true) != Status::kOk) ++wrong;
        registry().Find(handle, &status);
        if (status != Status::kStale) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  size_t slot = 0;
  EXPECT_EQ(registry().BeginVisit(&slot), nullptr);
}

TEST_F(ArenaRegistryTest, DestroyWaitsForVisitorsWithoutTheLock) {
  const ArenaHandle handle = Create();
  size_t slot = 0;
  ASSERT_EQ(registry().BeginVisit(&slot), Find(handle));
  std::atomic<bool> is_gone{false};
  std::thread destroyer([&] {
    EXPECT_EQ(registry().Destroy(handle, true), Status::kOk);
    is_gone = true;
  });
  for (int i = 0; i < 30; ++i) {
    // As who visits it may.
    EXPECT_EQ(registry().Destroy(Create(), true), Status::kOk);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(is_gone);
    EXPECT_EQ(StatusOf(handle), Status::kOk);
  }
  registry().EndVisit(Find(handle));
  destroyer.join();
  EXPECT_EQ(StatusOf(handle), Status::kStale);
}

// Hands out one chunk again and again: a million arenas that nobody uses.
class OneChunkPages final : public PageSource {
 public:
  void* Reserve(size_t bytes, size_t alignment, Access access) override {
    if (bytes != MetadataAllocator::kChunkBytes) {
      return pages_.Reserve(bytes, alignment, access);
    }
    if (chunk_ == nullptr) chunk_ = pages_.Reserve(bytes, alignment, access);
    return chunk_;
  }
  bool Commit(void*, size_t) override { return false; }
  bool Decommit(void*, size_t) override { return false; }
  bool Purge(void*, size_t) override { return false; }
  bool Release(void*, size_t) override { return false; }
  void* Remap(void*, size_t, size_t) override { return nullptr; }
  bool Move(void*, size_t, void*) override { return false; }
  size_t ReservationLimit() const override { return 0; }

 private:
  FakePageSource pages_;  // releases what it has given at the end
  void* chunk_ = nullptr;
};

TEST(FullArenaRegistryTest, TheTableHasRoomForAsManyAsItSays) {
  OneChunkPages pages;
  Ground ground(pages);
  ArenaRegistry registry(pages, ground.metadata(), ground.runs(), ground.huge(),
                         TestSeed);
  ArenaHandle handle = 0;
  for (size_t i = 0; i < ArenaRegistry::kMaxArenas; ++i) {
    ASSERT_EQ(registry.Create(ArenaOptions(), &handle), Status::kOk) << i;
  }
  const ArenaHandle last = handle;
  EXPECT_EQ(registry.Create(ArenaOptions(), &handle), Status::kNoMemory);
  EXPECT_EQ(handle, last);
  // One goes, one comes.
  EXPECT_EQ(registry.Destroy(last, false), Status::kOk);
  EXPECT_EQ(registry.Create(ArenaOptions(), &handle), Status::kOk);
  EXPECT_EQ(registry.Create(ArenaOptions(), &handle), Status::kNoMemory);
}

// Who counts blocks can't be in a tree that counts pages; who counts pages by
// default counts what its parent does.
TEST_F(ArenaRegistryTest, AllArenasOfATreeCountTheSame) {
  for (const bool parent_is_exact : {false, true}) {
    ArenaOptions options;
    options.exact_bytes = parent_is_exact;
    ArenaHandle parent = 0;
    ASSERT_EQ(registry().Create(options, &parent), Status::kOk);
    EXPECT_EQ(Find(parent)->quota().counts_blocks(), parent_is_exact);
    options.parent = parent;
    for (const bool is_exact : {false, true}) {
      options.exact_bytes = is_exact;
      ArenaHandle child = 0;
      const Status status = registry().Create(options, &child);
      if (is_exact && !parent_is_exact) {
        EXPECT_EQ(status, Status::kUnsupported);
        continue;
      }
      ASSERT_EQ(status, Status::kOk);
      EXPECT_EQ(Find(child)->quota().counts_blocks(), parent_is_exact);
      EXPECT_EQ(Find(parent)->quota().num_children(), 1U);
      EXPECT_EQ(registry().Destroy(parent, /*require_empty=*/true, nullptr),
                Status::kBusy);
      EXPECT_EQ(registry().Destroy(child, /*require_empty=*/true, nullptr),
                Status::kOk);
      // Nor is it anybody's parent any more.
      options.parent = child;
      EXPECT_EQ(registry().Create(options, &child), Status::kStale);
      options.parent = parent;
    }
    EXPECT_EQ(registry().Destroy(parent, /*require_empty=*/true, nullptr),
              Status::kOk);
  }
}

TEST_F(ArenaRegistryTest, ATreeHasSoManyLevels) {
  ArenaOptions options;
  std::vector<ArenaHandle> levels;
  for (size_t i = 0; i < Quota::kMaxDepth; ++i) {
    ArenaHandle handle = 0;
    ASSERT_EQ(registry().Create(options, &handle), Status::kOk) << i;
    levels.push_back(handle);
    options.parent = handle;
  }
  ArenaHandle handle = 0;
  EXPECT_EQ(registry().Create(options, &handle), Status::kUnsupported);
  while (!levels.empty()) {
    EXPECT_EQ(
        registry().Destroy(levels.back(), /*require_empty=*/true, nullptr),
        Status::kOk);
    levels.pop_back();
  }
}

// What a limit with a reserve needs beside the arena.
TEST_F(ArenaRegistryTest, WithoutMemoryForItsReserveThereIsNoArena) {
  const ArenaHandle before = Create();
  ASSERT_EQ(registry().Destroy(before, /*require_empty=*/true, nullptr),
            Status::kOk);
  ArenaOptions options;
  options.limit_bytes = size_t{1} << 20;
  options.reserve_bytes = 4096;
  ArenaHandle handle = 0;
  pages().FailFrom(0);
  while (ground().metadata().Allocate(16) != nullptr) {
  }
  EXPECT_EQ(registry().Create(options, &handle), Status::kNoMemory);
  EXPECT_EQ(handle, 0U);
  // Its place is still there for one that needs none.
  handle = Create();
  EXPECT_EQ(registry().Destroy(handle, /*require_empty=*/true, nullptr),
            Status::kOk);
  pages().StopFailing();
  EXPECT_EQ(registry().Create(options, &handle), Status::kOk);
}

}  // namespace
}  // namespace myonly::internal
