// No-allocation sections and injected faults: what is asked for fails as told,
// and everything is as it was afterwards.
#include "myonly/testing.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kSizes[] = {1,     24,        512,        1024,   1500,
                             30000, 64 * 1024, 100 * 1024, 9 << 20};

// Every way to ask for `size` bytes: how many of them were answered.
int CountAnswers(myonly_arena* arena, size_t size) {
  void* blocks[12] = {};
  size_t n = 0;
  blocks[n++] = myonly_alloc(size);
  blocks[n++] = myonly_calloc(1, size);
  blocks[n++] = myonly_realloc(nullptr, size);
  blocks[n++] = myonly_aligned_alloc(256, size);
  blocks[n++] = myonly_alloc_at_least(size, 0, nullptr);
  myonly_alloc_batch(size, &blocks[n++], 1);
  blocks[n++] = myonly_arena_alloc(arena, size);
  blocks[n++] = myonly_arena_calloc(arena, 1, size);
  blocks[n++] = myonly_arena_realloc(arena, nullptr, size);
  blocks[n++] = myonly_arena_aligned_alloc(arena, 256, size);
  blocks[n++] = myonly_arena_alloc_at_least(arena, size, 0, nullptr);
  myonly_arena_alloc_batch(arena, size, &blocks[n++], 1);
  int answers = 0;
  for (void* block : blocks) {
    if (block == nullptr) continue;
    ++answers;
    memset(block, 0x5a, size);
    myonly_free(block);
  }
  return answers;
}

// So many requests that the thread has lists and shares of everything.
void WarmUp(myonly_arena* arena) {
  for (size_t size : kSizes) {
    for (int i = 0; i < 300; ++i) {
      myonly_free(myonly_alloc(size));
      myonly_free(myonly_arena_alloc(arena, size));
    }
  }
}

class TestingTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
    if (GetParam()) WarmUp(arena_);
  }
  void TearDown() override {
    for (size_t size : kSizes) EXPECT_EQ(CountAnswers(arena_, size), 12);
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT_EQ(myonly_arena_stats(arena_, &stats), MYONLY_OK);
    EXPECT_EQ(stats.live_blocks, 0u);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
  myonly_arena* arena_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(FirstRequestsAndLater, TestingTest, ::testing::Bool());

TEST_P(TestingTest, NothingIsHandedOutInASection) {
  void* own = myonly_alloc(100);
  void* of_arena = myonly_arena_alloc(arena_, 100);
  void* large = myonly_alloc(200 * 1024);
  ASSERT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE), MYONLY_OK);
  for (size_t size : kSizes) {
    errno = 0;
    EXPECT_EQ(CountAnswers(arena_, size), 0) << size;
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
  }
  // What would grow stays; what shrinks and what is freed need no memory.
  EXPECT_EQ(myonly_realloc(own, 5000), nullptr);
  EXPECT_EQ(myonly_realloc(large, 3 << 20), nullptr);
  EXPECT_EQ(myonly_try_resize(large, 3 << 20, nullptr), 0);
  EXPECT_EQ(myonly_realloc(own, 90), own);
  ASSERT_EQ(myonly_realloc(large, 1000), large);
  EXPECT_EQ(myonly_realloc(of_arena, 10), of_arena);
  myonly_free(own);
  myonly_free(of_arena);
  myonly_free(large);
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_OK);
}

// Whatever smaller block would serve it: to ask for less never fails.
TEST_P(TestingTest, WhatShrinksIsNoRequest) {
  myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
  options.probability = 1;
  for (size_t size : {2000, 40000, 100000, 1000000, 10 << 20}) {
    for (bool in_arena : {false, true}) {
      auto* block = static_cast<char*>(
          in_arena ? myonly_arena_alloc(arena_, size) : myonly_alloc(size));
      ASSERT_NE(block, nullptr);
      memset(block, 7, size);
      myonly_arena* where = in_arena ? arena_ : nullptr;
      ASSERT_EQ(myonly_fault_begin(where, &options), MYONLY_OK);
      size_t less = size;
      while (less > 16) {
        less /= 8;
        block = static_cast<char*>(myonly_realloc(block, less));
        ASSERT_NE(block, nullptr) << size << " to " << less;
        EXPECT_EQ(block[less - 1], 7);
      }
      uint64_t failures = 1;
      EXPECT_EQ(myonly_fault_end(where, &failures), MYONLY_OK);
      EXPECT_EQ(failures, 0U) << size;
      // Its owner knows of the smaller size only.
      myonly_free_sized(block, less, 16);
    }
  }
}

TEST_P(TestingTest, SectionsNest) {
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_no_alloc_begin(7), MYONLY_ERR_INVALID);
  for (int depth = 0; depth < 64; ++depth) {
    ASSERT_EQ(myonly_no_alloc_begin(depth % 2), MYONLY_OK);
  }
  EXPECT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE),
            MYONLY_ERR_UNSUPPORTED);
  for (int depth = 63; depth > 0; --depth) {
    ASSERT_EQ(myonly_no_alloc_end(), MYONLY_OK);
    if (depth % 2 == 1) {
      EXPECT_EQ(myonly_alloc(8), nullptr) << depth;
    }
  }
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_OK);
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_ERR_INVALID);
}

TEST_P(TestingTest, OtherThreadsAreNotAffected) {
  ASSERT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE), MYONLY_OK);
  int answers = 0;
  myonly_arena* arena = arena_;
  ASSERT_EQ(myonly_no_alloc_end(), MYONLY_OK);
  std::thread other([&answers, arena] { answers = CountAnswers(arena, 100); });
  ASSERT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE), MYONLY_OK);
  other.join();
  EXPECT_EQ(answers, 12);
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_OK);
}

TEST_P(TestingTest, AThreadMayEndInASection) {
  for (int i = 0; i < 20; ++i) {
    myonly_arena* arena = arena_;
    std::thread([arena] {
      WarmUp(arena);
      myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE);
      EXPECT_EQ(myonly_alloc(24), nullptr);
    }).join();
  }
}

TEST_P(TestingTest, AForkedChildGoesOnInTheSection) {
  void* block = myonly_alloc(100);
  ASSERT_EQ(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE), MYONLY_OK);
  const pid_t child = fork();
  if (child == 0) {
    const bool refused = myonly_alloc(100) == nullptr;
    myonly_free(block);
    const bool ended = myonly_no_alloc_end() == MYONLY_OK;
    const int answers = CountAnswers(arena_, 100);
    _exit(refused && ended && answers == 12 &&
                  myonly_arena_check(nullptr) == MYONLY_OK
              ? 0
              : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(myonly_no_alloc_end(), MYONLY_OK);
  myonly_free(block);
}

using TestingDeathTest = TestingTest;
INSTANTIATE_TEST_SUITE_P(FirstRequestsAndLater, TestingDeathTest,
                         ::testing::Bool());

TEST_P(TestingDeathTest, AnAllocationInAStrictSectionAborts) {
  const auto allocate_in_section = [] {
    myonly_no_alloc_begin(MYONLY_NO_ALLOC_ABORT);
    myonly_free(myonly_alloc(24));
  };
  EXPECT_DEATH(allocate_in_section(),
               "myonlymalloc: allocation in a section that forbids it");
}

// Which of `count` requests fail.
std::vector<int> Failures(myonly_arena* of, const myonly_fault_options& options,
                          int count) {
  EXPECT_EQ(myonly_fault_begin(of, &options), MYONLY_OK);
  std::vector<int> failed;
  for (int i = 1; i <= count; ++i) {
    void* block =
        of == nullptr ? myonly_alloc(100) : myonly_arena_alloc(of, 100);
    if (block == nullptr) failed.push_back(i);
    myonly_free(block);
  }
  uint64_t failures = 0;
  EXPECT_EQ(myonly_fault_end(of, &failures), MYONLY_OK);
  EXPECT_EQ(failures, failed.size());
  return failed;
}

TEST_P(TestingTest, TheNthRequestFails) {
  for (myonly_arena* of : {static_cast<myonly_arena*>(nullptr), arena_}) {
    for (int n : {1, 2, 10, 100}) {
      myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
      options.fail_nth = static_cast<uint64_t>(n);
      EXPECT_EQ(Failures(of, options, 100), std::vector<int>{n});
    }
  }
}

TEST_P(TestingTest, ChanceIsRepeatedBySeed) {
  for (myonly_arena* of : {static_cast<myonly_arena*>(nullptr), arena_}) {
    myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
    options.probability = 0.25;
    options.seed = 1;
    const std::vector<int> first = Failures(of, options, 10000);
    EXPECT_EQ(Failures(of, options, 10000), first);
    EXPECT_NEAR(static_cast<double>(first.size()), 2500.0, 250.0);
    options.seed = 2;
    EXPECT_NE(Failures(of, options, 10000), first);
    options.count = 7;
    EXPECT_EQ(Failures(of, options, 10000).size(), 7u);
    options.count = 0;
    options.probability = 1;
    EXPECT_EQ(Failures(of, options, 100).size(), 100u);
  }
}

TEST_P(TestingTest, OnlyLargerRequestsCount) {
  for (myonly_arena* of : {static_cast<myonly_arena*>(nullptr), arena_}) {
    myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
    options.fail_nth = 1;
    options.above_bytes = 100;
    EXPECT_TRUE(Failures(of, options, 50).empty());
    options.above_bytes = 99;
    EXPECT_EQ(Failures(of, options, 50), std::vector<int>{1});
  }
}

// Of all ways to ask exactly the one whose turn it is fails.
TEST_P(TestingTest, EveryWayToAskCounts) {
  for (size_t size : kSizes) {
    for (int n = 1; n <= 12; ++n) {
      myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
      options.fail_nth = static_cast<uint64_t>(n);
      ASSERT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_OK);
      EXPECT_EQ(CountAnswers(arena_, size), 11) << size << " " << n;
      EXPECT_EQ(myonly_fault_end(nullptr, nullptr), MYONLY_OK);
    }
    for (int n = 1; n <= 6; ++n) {
      myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
      options.fail_nth = static_cast<uint64_t>(n);
      ASSERT_EQ(myonly_fault_begin(arena_, &options), MYONLY_OK);
      EXPECT_EQ(CountAnswers(arena_, size), 11) << size << " " << n;
      EXPECT_EQ(myonly_fault_end(arena_, nullptr), MYONLY_OK);
    }
  }
}

TEST_P(TestingTest, AReallocThatFailsKeepsTheBlock) {
  for (size_t size : kSizes) {
    auto* block = static_cast<unsigned char*>(myonly_alloc(size));
    ASSERT_NE(block, nullptr);
    memset(block, 0x5a, size);
    myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
    options.probability = 1;
    ASSERT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_OK);
    EXPECT_EQ(myonly_realloc(block, size * 3 + 4096), nullptr) << size;
    EXPECT_EQ(myonly_fault_end(nullptr, nullptr), MYONLY_OK);
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(block[i], 0x5a);
    myonly_free(block);
  }
}

TEST_P(TestingTest, GrowingInPlaceIsAskedForToo) {
  myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
  options.probability = 1;
  for (size_t size : {size_t{100000}, size_t{5} << 20}) {
    void* block = myonly_arena_alloc(arena_, size);
    ASSERT_NE(block, nullptr);
    ASSERT_EQ(myonly_fault_begin(arena_, &options), MYONLY_OK);
    EXPECT_EQ(myonly_try_resize(block, size * 5, nullptr), 0);
    EXPECT_EQ(myonly_try_resize(block, size, nullptr), 1);
    uint64_t failures = 0;
    EXPECT_EQ(myonly_fault_end(arena_, &failures), MYONLY_OK);
    EXPECT_EQ(failures, 1U) << size;
    myonly_free(block);
  }
}

TEST_P(TestingTest, BadCallsAreAnswered) {
  myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
  EXPECT_EQ(myonly_fault_end(nullptr, nullptr), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_fault_end(arena_, nullptr), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_fault_begin(nullptr, nullptr), MYONLY_ERR_INVALID);
  for (double probability : {-0.1, 1.1, std::nan("")}) {
    options.probability = probability;
    EXPECT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_ERR_INVALID);
  }
  options.probability = 0;
  options.version = 1;
  EXPECT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_ERR_INVALID);
  options.version = 0;
  for (myonly_arena* of : {static_cast<myonly_arena*>(nullptr), arena_}) {
    EXPECT_EQ(myonly_fault_begin(of, &options), MYONLY_OK);
    EXPECT_EQ(myonly_fault_begin(of, &options), MYONLY_ERR_BUSY);
    EXPECT_EQ(myonly_fault_end(of, nullptr), MYONLY_OK);
  }
  myonly_arena* stale = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &stale), MYONLY_OK);
  ASSERT_EQ(myonly_fault_begin(stale, &options), MYONLY_OK);
  ASSERT_EQ(myonly_arena_destroy(stale, 0), MYONLY_OK);
  EXPECT_EQ(myonly_fault_begin(stale, &options), MYONLY_ERR_STALE);
  EXPECT_EQ(myonly_fault_end(stale, nullptr), MYONLY_ERR_STALE);
}

TEST_P(TestingTest, FaultsOfAnArenaAreItsOwnAndOfAllThreads) {
  myonly_arena* other = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &other), MYONLY_OK);
  WarmUp(other);
  myonly_arena* arena = arena_;
  std::thread([arena] { WarmUp(arena); }).join();
  myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
  options.probability = 1;
  ASSERT_EQ(myonly_fault_begin(arena_, &options), MYONLY_OK);
  std::thread([arena, other] {
    EXPECT_EQ(CountAnswers(arena, 100), 6);
    EXPECT_EQ(CountAnswers(other, 100), 12);
  }).join();
  EXPECT_EQ(CountAnswers(arena_, 100), 6);
  EXPECT_EQ(myonly_fault_end(arena_, nullptr), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(other, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(FaultsTest, BegunBesideADestroyAreOfNoOtherArena) {
  constexpr int kRounds = 20000;
  std::atomic<myonly_arena*> seen{nullptr};
  std::atomic<bool> stop{false};
  std::thread other([&seen, &stop] {
    myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
    options.probability = 1;
    while (!stop) {
      myonly_arena* arena = seen;
      if (arena == nullptr) continue;
      myonly_fault_begin(arena, &options);
      myonly_fault_end(arena, nullptr);
      myonly_fault_begin(arena, &options);
    }
  });
  for (int i = 0; i < kRounds && !testing::Test::HasFailure(); ++i) {
    myonly_arena* arena = nullptr;
    ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
    seen = arena;
    if (i % 8 == 0) std::this_thread::yield();
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    // One that nobody has seen, in its place.
    ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
    for (int j = 0; j < 10; ++j) {
      EXPECT_NE(myonly_arena_alloc(arena, 70000), nullptr) << i;
    }
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  stop = true;
  other.join();
}

}  // namespace
