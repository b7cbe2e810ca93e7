// The server's threads: what they keep free while they sleep is there for all.
#include "examples/tenant_server/workers.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace myonly::tenant_server {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kMiB = size_t{1} << 20;

// Every thread has a share of the arena, and frees all that it has allocated.
void ServeInEveryThread(Workers* workers, myonly_arena* arena) {
  std::atomic<size_t> inside{0};
  std::atomic<size_t> done{0};
  for (size_t i = 0; i < kThreads; ++i) {
    workers->enqueue([arena, &inside, &done] {
      ++inside;
      while (inside < kThreads) std::this_thread::yield();
      std::vector<void*> blocks;
      for (int j = 0; j < 5000; ++j) {
        blocks.push_back(myonly_arena_alloc(arena, 200));
      }
      for (void* block : blocks) myonly_free(block);
      ++done;
    });
  }
  while (done < kThreads) std::this_thread::yield();
}

TEST(WorkersTest, ASleepingOneKeepsNothingOfATenant) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  Workers workers(kThreads);
  ServeInEveryThread(&workers, arena);
  size_t charged = kMiB;
  // They are on their way to sleep; nothing else is in the way.
  for (int i = 0; i < 2000 && charged > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
    ASSERT_EQ(myonly_arena_charged(arena, &charged), MYONLY_OK);
  }
  EXPECT_EQ(charged, 0u);
  workers.shutdown();
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

}  // namespace
}  // namespace myonly::tenant_server
