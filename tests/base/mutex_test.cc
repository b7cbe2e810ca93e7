#include "allocator/base/mutex.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// Globals of the allocator are used before constructors run and after
// destructors have.
static_assert(std::is_trivially_destructible_v<Mutex>);
static_assert(sizeof(Mutex) <= 8);
[[maybe_unused]] constexpr Mutex kConstant(LockRank::kArena);

void Sleep(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// Lives as long as this does, so that locking is not left out.
class SecondThread {
 public:
  SecondThread()
      : thread_([this] {
          while (!done_) Sleep(1);
        }) {}
  ~SecondThread() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

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
      Sleep(5);
      ++done;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 4);
}

TEST(MutexTest, WaitingKeepsErrno) {
  const SecondThread second;
  Mutex mutex(LockRank::kArena);
  mutex.Lock();
  int seen = 0;
  std::thread waiter([&mutex, &seen] {
    errno = 77;
    MutexLock lock(mutex);
    seen = errno;
  });
  Sleep(20);
  errno = 78;
  mutex.Unlock();
  EXPECT_EQ(errno, 78);
  waiter.join();
  EXPECT_EQ(seen, 77);
}

TEST(MutexTest, LockingIsNotLeftOutWithTwoThreads) {
  const SecondThread second;
  EXPECT_FALSE(Mutex::IsSingleThreaded());
}

// --- Around fork. ---

class MutexForkTest : public ::testing::Test {
 protected:
  // A thread that waits for the mutex, until JoinWaiter.
  void StartWaiter() {
    waiter_ = std::thread([this] {
      MutexLock lock(mutex_);
      has_locked_ = true;
    });
    Sleep(20);
  }
  void JoinWaiter() { waiter_.join(); }

  const SecondThread second_;
  Mutex mutex_{LockRank::kArena};
  std::atomic<bool> has_locked_{false};
  std::thread waiter_;
};

TEST_F(MutexForkTest, TheForkingThreadMayLockWhatItHolds) {
  mutex_.LockForFork();
  Mutex::BeginFork();
  for (int i = 0; i < 3; ++i) {
    MutexLock lock(mutex_);  // would wait for ever
  }
  Mutex::EndFork();
  mutex_.UnlockAfterFork();
}

TEST_F(MutexForkTest, OthersWaitUntilTheForkIsOver) {
  mutex_.LockForFork();
  Mutex::BeginFork();
  { MutexLock lock(mutex_); }  // must not free it
  StartWaiter();
  { MutexLock lock(mutex_); }  // nor wake the waiter
  Sleep(20);
  EXPECT_FALSE(has_locked_);
  Mutex::EndFork();
  Sleep(20);
  EXPECT_FALSE(has_locked_);
  mutex_.UnlockAfterFork();
  JoinWaiter();
  EXPECT_TRUE(has_locked_);
}

TEST_F(MutexForkTest, ForksFollowEachOther) {
  for (int i = 0; i < 3; ++i) {
    mutex_.LockForFork();
    Mutex::BeginFork();
    Mutex::EndFork();
    mutex_.UnlockAfterFork();
    MutexLock lock(mutex_);
  }
}

TEST_F(MutexForkTest, TheForkingThreadWaitsAgainAfterwards) {
  mutex_.LockForFork();
  Mutex::BeginFork();
  Mutex::EndFork();
  mutex_.UnlockAfterFork();
  std::atomic<bool> is_held{false};
  std::atomic<bool> is_over{false};
  std::thread holder([&] {
    MutexLock lock(mutex_);
    is_held = true;
    Sleep(20);
    is_over = true;
  });
  while (!is_held) Sleep(1);
  {
    MutexLock lock(mutex_);
    EXPECT_TRUE(is_over);
  }
  holder.join();
}

TEST_F(MutexForkTest, ATryEndsIfItStaysHeld) {
  std::atomic<bool> is_held{false};
  std::atomic<bool> is_over{false};
  std::thread holder([&] {
    MutexLock lock(mutex_);
    is_held = true;
    while (!is_over) Sleep(1);
  });
  while (!is_held) Sleep(1);
  StartWaiter();
  EXPECT_FALSE(mutex_.TryLockForFork(1));
  is_over = true;
  holder.join();
  JoinWaiter();  // was woken, though the try did not wait to the end
  EXPECT_TRUE(mutex_.TryLockForFork(1));
  mutex_.UnlockAfterFork();
  EXPECT_TRUE(mutex_.TryLockForFork(1));
  EXPECT_FALSE(mutex_.TryLockForFork(1));
  mutex_.UnlockAfterFork();
}

TEST_F(MutexForkTest, ATryWaitsForAMoment) {
  std::atomic<bool> is_held{false};
  std::thread holder([&] {
    MutexLock lock(mutex_);
    is_held = true;
    Sleep(20);
  });
  while (!is_held) Sleep(1);
  EXPECT_TRUE(mutex_.TryLockForFork(999));
  mutex_.UnlockAfterFork();
  holder.join();
}

TEST_F(MutexForkTest, IsFreeForOthersAfterAReset) {
  mutex_.LockForFork();
  Mutex::BeginFork();
  Mutex::EndFork();
  mutex_.ResetAfterFork();
  StartWaiter();
  JoinWaiter();
  EXPECT_TRUE(has_locked_);
}

TEST_F(MutexForkTest, IsFreeInTheChildThoughOthersWaitedInTheParent) {
  mutex_.LockForFork();
  StartWaiter();
  Mutex::BeginFork();
  const pid_t child = fork();
  Mutex::EndFork();
  if (child == 0) {
    alarm(20);
    mutex_.ResetAfterFork();
    for (int i = 0; i < 2; ++i) {
      mutex_.Lock();
      mutex_.Unlock();
    }
    _exit(0);
  }
  mutex_.UnlockAfterFork();
  JoinWaiter();
  ASSERT_GT(child, 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// --- The order of the locks, which debug builds check. ---

class LockRankDeathTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef NDEBUG
    GTEST_SKIP() << "ranks are checked with --config=debug only";
#endif
  }
  static void LockBoth(LockRank first, LockRank second) {
    Mutex outer(first);
    Mutex inner(second);
    MutexLock outer_lock(outer);
    MutexLock inner_lock(inner);
  }
  static void UnlockOnly(Mutex& mutex) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    mutex.Unlock();
  }
};

TEST_F(LockRankDeathTest, HigherAfterLowerIsRight) {
  LockBoth(LockRank::kArenaRegistry, LockRank::kArena);
  LockBoth(LockRank::kArena, LockRank::kMetadata);
  LockBoth(LockRank::kRunPool, LockRank::kHugeMapping);
}

TEST_F(LockRankDeathTest, LowerAfterHigherDies) {
  EXPECT_DEATH(LockBoth(LockRank::kArena, LockRank::kArenaRegistry), "held");
  EXPECT_DEATH(LockBoth(LockRank::kMetadata, LockRank::kRunPool), "held");
}

TEST_F(LockRankDeathTest, OnlyArenasMayBeHeldTogether) {
  LockBoth(LockRank::kArena, LockRank::kArena);
  EXPECT_DEATH(LockBoth(LockRank::kRunPool, LockRank::kRunPool), "held");
}

TEST_F(LockRankDeathTest, UnlockingWhatIsNotHeldDies) {
  Mutex mutex(LockRank::kArena);
  EXPECT_DEATH(UnlockOnly(mutex), "held");
}

}  // namespace
}  // namespace myonly::internal
