// Explanations while threads use the arena, and in the child of a fork.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

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
