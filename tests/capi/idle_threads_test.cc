// What threads keep that sleep: others get it where they can, and are told
// where they can't.
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/testing.h"
#include "tests/support/resident.h"

namespace {

using myonly::testing::ResidentBytes;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kSmall = 200;

// A thread that does what it is told and sleeps in between.
class Worker {
 public:
  Worker() : thread_([this] { Live(); }) {}
  ~Worker() {
    Do(nullptr);
    thread_.join();
  }
  void Do(std::function<void()> work) {
    std::unique_lock<std::mutex> lock(mutex_);
    work_ = std::move(work);
    ++asked_;
    change_.notify_all();
    if (work_ != nullptr)
      change_.wait(lock, [this] { return done_ == asked_; });
  }

 private:
  void Live() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      change_.wait(lock, [this] { return done_ != asked_; });
      if (work_ == nullptr) return;
      work_();
      ++done_;
      change_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable change_;
  std::function<void()> work_;
  size_t asked_ = 0;
  size_t done_ = 0;
  std::thread thread_;
};

myonly_arena* NewArena(size_t limit_bytes) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.limit_bytes = limit_bytes;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  return arena;
}

std::vector<void*> Fill(myonly_arena* arena, size_t bytes) {
  std::vector<void*> blocks;
  while (blocks.size() * kSmall < bytes) {
    void* block = myonly_arena_alloc(arena, kSmall);
    if (block == nullptr) break;
    memset(block, 1, kSmall);
    blocks.push_back(block);
  }
  return blocks;
}

void FreeAll(std::vector<void*>& blocks) {
  for (void* block : blocks) myonly_free(block);
  blocks.clear();
}

size_t Charged(myonly_arena* arena) {
  size_t bytes = 0;
  EXPECT_EQ(myonly_arena_charged(arena, &bytes), MYONLY_OK);
  return bytes;
}

class IdleThreadsTest : public ::testing::Test {
 protected:
  // An arena of this size is full of what a sleeping thread has allocated, and
  // this one has freed.
  void FillAndFreeElsewhere() {
    worker_.Do([this] { blocks_ = Fill(arena_, 2 * kLimit); });
    ASSERT_GT(blocks_.size() * kSmall, kLimit / 2);
    FreeAll(blocks_);
  }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  static constexpr size_t kLimit = 4 * kMiB;
  myonly_arena* arena_ = NewArena(kLimit);
  Worker worker_;
  std::vector<void*> blocks_;
};

TEST_F(IdleThreadsTest, APurgeTakesTheSlicesThatTheyKeep) {
  constexpr size_t kThreads = 8;
  for (const bool of_arena : {false, true}) {
    std::vector<Worker> workers(kThreads);
    myonly_arena* arena = NewArena(0);
    for (Worker& worker : workers) {
      worker.Do([arena] {
        Fill(arena, 2 * kMiB);
        EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
      });
    }
    const size_t before = ResidentBytes();
    if (of_arena) {
      EXPECT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
    } else {
      myonly_purge(0);
    }
    EXPECT_LT(ResidentBytes() + kThreads * kMiB, before);
    // They find others.
    for (Worker& worker : workers) {
      worker.Do([arena] { EXPECT_GT(Fill(arena, kMiB).size(), 0u); });
    }
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
}

TEST_F(IdleThreadsTest, WhoSaysSoLeavesItsShareToOthersAtTheLimit) {
  FillAndFreeElsewhere();
  worker_.Do(myonly_thread_idle);
  EXPECT_GT(Charged(arena_), kLimit / 2);
  void* large = myonly_arena_alloc(arena_, 3 * kMiB);
  EXPECT_NE(large, nullptr);
  myonly_free(large);
  // And to a purge.
  FillAndFreeElsewhere();
  worker_.Do(myonly_thread_idle);
  EXPECT_EQ(myonly_arena_purge(arena_, 0), MYONLY_OK);
  EXPECT_EQ(Charged(arena_), 0u);
}

TEST_F(IdleThreadsTest, WhoHasEndedLeavesItsShareToOthersAtTheLimit) {
  std::thread([this] { blocks_ = Fill(arena_, 2 * kLimit); }).join();
  FreeAll(blocks_);
  EXPECT_GT(Charged(arena_), kLimit / 2);
  void* large = myonly_arena_calloc(arena_, 1, 3 * kMiB);
  EXPECT_NE(large, nullptr);
  myonly_free(large);
}

TEST_F(IdleThreadsTest, OthersAreAskedAndAnswerWhenTheyAllocateElsewhere) {
  FillAndFreeElsewhere();
  EXPECT_EQ(myonly_arena_alloc(arena_, 3 * kMiB), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
  worker_.Do([] {
    for (int i = 0; i < 20; ++i) {
      std::vector<void*> blocks;
      for (int j = 0; j < 2000; ++j) blocks.push_back(myonly_alloc(500));
      FreeAll(blocks);
      usleep(2000);
    }
  });
  void* large = myonly_arena_alloc(arena_, 3 * kMiB);
  EXPECT_NE(large, nullptr);
  myonly_free(large);
}

TEST_F(IdleThreadsTest, TheyGoOnWithWhatTheyHad) {
  for (int i = 0; i < 100; ++i) {
    worker_.Do([this] {
      FreeAll(blocks_);
      blocks_ = Fill(arena_, 100 * kKiB);
      blocks_.push_back(myonly_alloc(100));
      blocks_.push_back(myonly_alloc(5000));
      myonly_thread_idle();
      myonly_thread_idle();
    });
  }
  worker_.Do([this] { FreeAll(blocks_); });
  // In a section without allocation it does nothing.
  EXPECT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE), MYONLY_OK);
  myonly_thread_idle();
  EXPECT_EQ(myonly_alloc(10), nullptr);
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_OK);
  // The first thread, too, and one that ends so.
  myonly_thread_idle();
  std::thread([] {
    myonly_free(myonly_alloc(100));
    myonly_thread_idle();
  }).join();
  myonly_free(myonly_alloc(100));
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

}  // namespace
