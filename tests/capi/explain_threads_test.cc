// Explanations while threads use the arena, and in the child of a fork.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/capi/explanation.h"
#include "tests/support/json.h"

namespace myonly::testing {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kLooks = 30;
#else
constexpr int kLooks = 200;
#endif

// Allocates in the arena, or else the process heap, and frees what the thread
// beside it has allocated.
void Work(myonly_arena* arena, unsigned seed, std::atomic<void*>* slots,
          const std::atomic<bool>& stop) {
  std::mt19937 random(seed);
  while (!stop.load(std::memory_order_relaxed)) {
    size_t bytes = random() % 600;
    if (random() % 32 == 0) bytes = random() % (100 * kKiB);
    void* block = arena == nullptr ? myonly_alloc(bytes)
                                   : myonly_arena_alloc(arena, bytes);
    if (block != nullptr) memset(block, 0x5a, bytes);
    myonly_free(slots[random() % 512].exchange(block));
  }
}

void LookBesideThreads(myonly_arena* arena) {
  constexpr unsigned kThreads = 4;
  std::vector<std::atomic<void*>> slots(512);
  for (auto& slot : slots) slot = nullptr;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back(Work, arena, i, slots.data(), std::cref(stop));
  }
  for (int i = 0; i < kLooks; ++i) {
    Explain(arena);
    std::string text;
    EXPECT_EQ(
        myonly_arena_stats_write(arena, MYONLY_FORMAT_JSON, Append, &text),
        MYONLY_OK);
    EXPECT_TRUE(Json::Parse(text).Has("live_bytes"));
    EXPECT_EQ(myonly_stats_write(i % 3, Append, &text), MYONLY_OK);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (auto& slot : slots) myonly_free(slot);
  ExplainQuiet(arena);
}

TEST(ExplainThreadsTest, AddsUpWhileThreadsUseTheArena) {
  Heap heap(Options());
  LookBesideThreads(heap.arena());
}

TEST(ExplainThreadsTest, AddsUpWhileThreadsUseAnArenaAtItsLimit) {
  myonly_arena_options options = Options();
  options.limit_bytes = 2 * kMiB;
  Heap heap(options);
  LookBesideThreads(heap.arena());
}

TEST(ExplainThreadsTest, AddsUpWhileThreadsUseTheProcessHeap) {
  LookBesideThreads(nullptr);
}

// Owners that sleep, each with slabs of several classes and blocks of its own.
class Owner {
 public:
  explicit Owner(myonly_arena* arena)
      : thread_([this, arena] { Live(arena); }) {
    while (step_ != 1) std::this_thread::yield();
  }
  ~Owner() {
    step_ = 4;
    thread_.join();
  }
  // Takes in what others have freed of it.
  void Work() {
    step_ = 2;
    while (step_ != 3) std::this_thread::yield();
  }

  std::vector<void*> blocks;

 private:
  void Live(myonly_arena* arena) {
    for (size_t bytes : {16u, 64u, 208u, 496u, 1000u, 3000u, 20000u}) {
      const std::vector<void*> more = Fill(arena, bytes, 400);
      blocks.insert(blocks.end(), more.begin(), more.end());
    }
    step_ = 1;
    while (step_ != 4) {
      if (step_ == 2) {
        // Beyond what any list holds.
        for (size_t bytes : {16u, 3000u}) {
          const std::vector<void*> more = Fill(arena, bytes, 3000);
          for (void* block : more) myonly_free(block);
        }
        step_ = 3;
      }
      std::this_thread::yield();
    }
  }

  std::atomic<int> step_{0};
  std::thread thread_;
};

uint64_t UsableOf(const std::deque<Owner>& owners, size_t from) {
  uint64_t bytes = 0;
  for (const Owner& owner : owners) {
    for (size_t i = from; i < owner.blocks.size(); i += 2) {
      bytes += myonly_usable_size(owner.blocks[i]);
    }
  }
  return bytes;
}

// Every second block, in turns, so that each chain is split by the next one.
void FreeInTurns(std::deque<Owner>& owners, size_t from) {
  for (size_t i = from; i < owners[0].blocks.size(); i += 2) {
    for (Owner& owner : owners) myonly_free(owner.blocks[i]);
  }
}

// While whoever freed is still there some of it is posted and some is not, and
// one owner after the other takes it in.
TEST(ExplainThreadsTest, AddsUpWithChainsOfSeveralOwnersAndClasses) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  {
    std::deque<Owner> owners;
    for (int i = 0; i < 3; ++i) owners.emplace_back(arena);
    uint64_t live = UsableOf(owners, 1);
    Fill(nullptr, 200, 600);  // so that this thread posts many at a time
    FreeInTurns(owners, 0);
    Json all = Explain(arena);
    EXPECT_EQ(all["parts"]["unaccounted"].number, 0u);
    if (internal::kIsSecure) {
      // With what is kept behind each block.
      EXPECT_GE(all["parts"]["live"].number, live);
      EXPECT_LT(all["parts"]["live"].number, live + live / 20);
      live = all["parts"]["live"].number;
    }
    if (HasMarks()) {
      EXPECT_EQ(all["parts"]["live"].number, live);
      EXPECT_GT(all["parts"]["remote_queues"].number, live / 4);
    }
    for (Owner& owner : owners) {
      const uint64_t before = all["parts"]["remote_queues"].number;
      owner.Work();
      all = Explain(arena);
      EXPECT_EQ(all["parts"]["unaccounted"].number, 0u);
      if (!HasMarks()) continue;
      EXPECT_EQ(all["parts"]["live"].number, live);
      EXPECT_LT(all["parts"]["remote_queues"].number, before);
    }
    FreeInTurns(owners, 1);
    EXPECT_EQ(Explain(arena)["parts"]["unaccounted"].number, 0u);
  }
  EXPECT_EQ(ExplainQuiet(arena)["parts"]["remote_queues"].number, 0u);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// A few of each of many slabs: parked, and so free here and live in statistics.
TEST(ExplainThreadsTest, WhatAThreadHasParkedIsWithinItsBound) {
  constexpr size_t kBytes = 800;
  std::vector<void*> blocks;
  std::thread owner([&blocks] { blocks = Fill(nullptr, kBytes, 64 * 40); });
  owner.join();
  size_t parked = 0;
  for (size_t i = 0; i < blocks.size(); i += 20) {
    for (size_t j = i; j < i + 2; ++j) {
      myonly_free(std::exchange(blocks[j], nullptr));
      parked += kBytes;
    }
  }
  EXPECT_GT(parked, kMostParked / 2);
  ExplainQuiet(nullptr);
  for (void* block : blocks) myonly_free(block);
}

#if !defined(__SANITIZE_THREAD__)
// In the child the share of a thread that is not in it stays as it was; after
// a reset its slabs are charged to nobody.
TEST(ExplainThreadsTest, AddsUpInTheChildOfAFork) {
  Heap heap(Options());
  std::atomic<int> step{0};
  std::thread other([&heap, &step] {
    Fill(heap.arena(), 100, 3000);
    Fill(nullptr, 100, 3000);
    step = 1;
    while (step != 2) std::this_thread::yield();
  });
  while (step != 1) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    const Json before = Explain(heap.arena());
    EXPECT_GT(before["parts"]["live"].number, 200000u);
    EXPECT_EQ(before["parts"]["unaccounted"].number, 0u);
    Explain(nullptr);
    EXPECT_EQ(myonly_arena_reset(heap.arena()), MYONLY_OK);
    const Json after = ExplainQuiet(heap.arena());
    EXPECT_EQ(after["charged_bytes"].number, 0u);
    EXPECT_NE(myonly_arena_alloc(heap.arena(), 100), nullptr);
    EXPECT_EQ(ExplainQuiet(heap.arena())["charged_bytes"].number, kSlice);
    _exit(HasFailure() ? 1 : 0);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  step = 2;
  other.join();
}
#endif

}  // namespace
}  // namespace myonly::testing
