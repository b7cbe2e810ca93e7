// What page functions of the program call, and what other threads call
// meanwhile: nobody waits for ever.
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/report.h"
#include "tests/support/forked_child.h"

namespace {

constexpr size_t kMiB = size_t{1} << 20;

void Sleep(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// All that page functions may do beside their work.
void CallElsewhere(myonly_arena* other) {
  // With so many requests a thread gets what threads have of their own.
  void* blocks[400];
  for (void*& block : blocks) block = myonly_alloc(100);
  for (void* block : blocks) myonly_free(block);
  for (void*& block : blocks) block = myonly_arena_alloc(other, 100);
  for (void* block : blocks) myonly_free(block);
  for (size_t size = kMiB / 32; size < 16 * kMiB; size *= 2) {
    myonly_free(myonly_alloc(size));
    myonly_free(myonly_arena_alloc(other, size));
  }
  EXPECT_EQ(myonly_arena_set_limit(other, 1000 * kMiB), MYONLY_OK);
  EXPECT_EQ(myonly_arena_purge(other, 0), MYONLY_OK);
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(other, &stats), MYONLY_OK);
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  EXPECT_NE(myonly_arena_alloc(arena, 100), nullptr);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// An arena over page functions that call elsewhere, and a thread that is in
// one of them while the test asks for something.
class PageFunctionCallsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    alarm(30);  // who waits for ever is stopped
    // Locks are left out as long as there was no other thread.
    std::thread([] {}).join();
    ASSERT_EQ(myonly_arena_create(nullptr, &other_), MYONLY_OK);
    myonly_page_source source = MYONLY_PAGE_SOURCE_INIT;
    source.ctx = this;
    source.reserve = Reserve;
    source.purge = Purge;
    source.release = Release;
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.pages = &source;
    ASSERT_EQ(myonly_arena_create(&options, &arena_), MYONLY_OK);
  }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(other_, MYONLY_DESTROY_FREE), MYONLY_OK);
    alarm(0);
  }

  // `ask` while another thread is in `reserve`.
  template <typename Ask>
  void Meet(Ask ask) {
    num_inside_ = 0;
    std::thread thread(
        [this] { EXPECT_NE(myonly_arena_alloc(arena_, 3 * kMiB), nullptr); });
    while (num_inside_ == 0) std::this_thread::yield();
    ask();
    thread.join();
  }

  // Every third block stays: there are pages in between.
  void LeaveHoles() {
    void* blocks[300];
    for (void*& block : blocks) {
      block = myonly_arena_alloc(arena_, 10000);
      ASSERT_NE(block, nullptr);
      memset(block, 1, 10000);
    }
    for (int i = 0; i < 300; ++i) {
      if (i % 3 != 0) myonly_free(blocks[i]);
    }
    num_inside_ = 0;
  }

  myonly_arena* arena_ = nullptr;
  myonly_arena* other_ = nullptr;
  std::atomic<int> num_inside_{0};

 private:
  static void* Reserve(void* ctx, size_t bytes, size_t /*alignment*/) {
    auto* test = static_cast<PageFunctionCallsTest*>(ctx);
    ++test->num_inside_;
    Sleep(50);  // by then the other thread waits for the arena
    CallElsewhere(test->other_);
    void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return start == MAP_FAILED ? nullptr : start;
  }
  static int Purge(void* ctx, void* start, size_t bytes) {
    auto* test = static_cast<PageFunctionCallsTest*>(ctx);
    if (++test->num_inside_ <= 3) {
      Sleep(20);
      CallElsewhere(test->other_);
    }
    return madvise(start, bytes, MADV_DONTNEED) == 0 ? 1 : 0;
  }
  static int Release(void* ctx, void* start, size_t bytes) {
    CallElsewhere(static_cast<PageFunctionCallsTest*>(ctx)->other_);
    return munmap(start, bytes) == 0 ? 1 : 0;
  }
};

TEST_F(PageFunctionCallsTest, OthersAskForTheArenaMeanwhile) {
  Meet([this] {
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT_EQ(myonly_arena_stats(arena_, &stats), MYONLY_OK);
  });
  Meet([this] { EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK); });
  Meet([this] { EXPECT_EQ(myonly_arena_purge(arena_, 0), MYONLY_OK); });
}

TEST_F(PageFunctionCallsTest, OthersAskForAllArenasMeanwhile) {
  Meet([] { myonly_purge(0); });
  Meet([] {
    const auto drop = [](void*, const char*, size_t) {};
    myonly_stats_write(MYONLY_FORMAT_JSON, drop, nullptr);
  });
}

TEST_F(PageFunctionCallsTest, OthersWantToGiveTheArenaABlockMeanwhile) {
  for (const size_t size : {kMiB / 8, 8 * kMiB}) {
    Meet([this, size] {
      void* block = myonly_arena_alloc(other_, size);
      EXPECT_EQ(myonly_arena_transfer(block, arena_), MYONLY_ERR_UNSUPPORTED);
      myonly_free(block);
    });
  }
}

TEST_F(PageFunctionCallsTest, ItsPurgeCallsElsewhere) {
  LeaveHoles();
  EXPECT_EQ(myonly_arena_purge(arena_, 0), MYONLY_OK);
  EXPECT_GT(num_inside_, 3);
  LeaveHoles();
  myonly_purge(0);
  EXPECT_GT(num_inside_, 3);
}

// Nobody knows which arena a purge of all is at.
TEST_F(PageFunctionCallsTest, TheArenaIsDestroyedWhileAllArePurged) {
  LeaveHoles();
  std::thread thread([] { myonly_purge(0); });
  while (num_inside_ == 0) std::this_thread::yield();
  EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  thread.join();
  ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
}

// The visitor is not in the child.
TEST_F(PageFunctionCallsTest, TheChildOfAForkDestroysAnArenaThatWasVisited) {
  LeaveHoles();
  std::thread thread([] { myonly_purge(0); });
  while (num_inside_ == 0) std::this_thread::yield();
  EXPECT_TRUE(myonly::testing::IsTrueInChild([this] {
    return myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE) == MYONLY_OK;
  }));
  thread.join();
}

// A fork waits for the arena, but keeps nothing from the function meanwhile.
TEST_F(PageFunctionCallsTest, OthersForkMeanwhile) {
  for (int i = 0; i < 3; ++i) {
    Meet([this] {
      EXPECT_TRUE(myonly::testing::IsTrueInChild([this] {
        void* block = myonly_arena_alloc(arena_, 5000);
        myonly_free(block);
        return block != nullptr;
      }));
    });
  }
}

}  // namespace
