#include "allocator/base/mutex.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(MutexTest, OneThreadAtATime) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 20000;
  Mutex mutex(LockRank::kArena);
  long counter = 0;
  std::atomic<int> inside{0};
  std::atomic<bool> broken{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        MutexLock lock(mutex);
        if (inside.fetch_add(1) != 0) broken = true;
        ++counter;
        inside.fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(broken);
  EXPECT_EQ(counter, long{kThreads} * kRounds);
}

TEST(MutexTest, WaitersAreWokenWhenTheHolderSleeps) {
  Mutex mutex(LockRank::kArena);
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      MutexLock lock(mutex);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ++done;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 4);
}

TEST(MutexTest, IsFreeAfterAForkWhateverItWas) {
  Mutex mutex(LockRank::kArena);
  // A second thread, so that locking is not left out.
  std::thread([] {}).join();
  mutex.ResetAfterFork();
  MutexLock lock(mutex);
}

}  // namespace
}  // namespace myonly::internal
