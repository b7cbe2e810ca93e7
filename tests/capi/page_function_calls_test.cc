// What page functions of the program call, and what other threads call
// meanwhile: nobody waits for ever.
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/report.h"

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
}

// An arena over page functions that call elsewhere, and a thread that is in
// one of them while the test asks for something.
class PageFunctionCallsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    alarm(30);  // who waits for ever is stopped
    ASSERT_EQ(myonly_arena_create(nullptr, &other_), MYONLY_OK);
    myonly_page_source source = MYONLY_PAGE_SOURCE_INIT;
    source.ctx = this;
    source.reserve = Reserve;
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
    is_inside_ = false;
    std::thread thread(
        [this] { EXPECT_NE(myonly_arena_alloc(arena_, 3 * kMiB), nullptr); });
    while (!is_inside_) std::this_thread::yield();
    ask();
    thread.join();
  }

  myonly_arena* arena_ = nullptr;
  myonly_arena* other_ = nullptr;
  std::atomic<bool> is_inside_{false};

 private:
  static void* Reserve(void* ctx, size_t bytes, size_t /*alignment*/) {
    auto* test = static_cast<PageFunctionCallsTest*>(ctx);
    test->is_inside_ = true;
    Sleep(50);  // by then the other thread waits for the arena
    CallElsewhere(test->other_);
    void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return start == MAP_FAILED ? nullptr : start;
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

// A fork waits for the arena, but keeps nothing from the function meanwhile.
TEST_F(PageFunctionCallsTest, OthersForkMeanwhile) {
  for (int i = 0; i < 3; ++i) {
    Meet([this] {
      const pid_t child = fork();
      if (child == 0) {
        alarm(20);
        void* block = myonly_arena_alloc(arena_, 5000);
        myonly_free(block);
        // Not by an exit, where a sanitizer would miss the parent's threads.
        if (block != nullptr) raise(SIGKILL);
        _exit(1);
      }
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    });
  }
}

}  // namespace
