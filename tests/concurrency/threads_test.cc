// Threads share the process heap and arenas: each block is filled by the thread
// that allocates it and checked by the one that frees it, which is often
// another.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/concurrency/block.h"

namespace myonly::testing {
namespace {

#ifdef MYONLY_SANITIZER
constexpr size_t kRounds = 3000;
#else
constexpr size_t kRounds = 400000;
#endif
constexpr size_t kThreads = 8;

void RunThreads(size_t count, const std::function<void(size_t)>& run) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
}

TaggedBlock NewBlock(myonly_arena* arena, size_t size, size_t tag) {
  void* start =
      arena == nullptr ? myonly_alloc(size) : myonly_arena_alloc(arena, size);
  TaggedBlock block = {static_cast<char*>(start), size, static_cast<char>(tag)};
  if (start != nullptr) block.Fill();
  return block;
}

// Allocates, frees and resizes in a table of its own. Counts damaged blocks.
size_t Churn(myonly_arena* arena, uint32_t seed, size_t rounds) {
  ThreadRandom random(seed);
  std::vector<TaggedBlock> blocks(200);
  size_t damaged = 0;
  for (size_t i = 0; i < rounds; ++i) {
    TaggedBlock& block = blocks[random.Below(blocks.size())];
    if (block.start != nullptr && !block.Holds()) ++damaged;
    if (block.start != nullptr && random.Below(8) == 0) {
      block.size = random.Size();
      block.start = static_cast<char*>(myonly_realloc(block.start, block.size));
      if (block.start == nullptr) return damaged + 1;
      block.Fill();
      continue;
    }
    myonly_free(block.start);
    block = NewBlock(arena, random.Size(), seed + i);
    if (block.start == nullptr) return damaged + 1;
  }
  for (const TaggedBlock& block : blocks) {
    if (block.start != nullptr && !block.Holds()) ++damaged;
    myonly_free(block.start);
  }
  return damaged;
}

// Hands blocks from thread to thread.
class Queue {
 public:
  void Push(TaggedBlock block) {
    std::unique_lock<std::mutex> lock(mutex_);
    not_full_.wait(lock, [&] { return blocks_.size() < kMost; });
    blocks_.push_back(block);
    not_empty_.notify_one();
  }
  // False when it is closed and empty.
  bool Pop(TaggedBlock* block) {
    std::unique_lock<std::mutex> lock(mutex_);
    not_empty_.wait(lock, [&] { return !blocks_.empty() || closed_; });
    if (blocks_.empty()) return false;
    *block = blocks_.front();
    blocks_.pop_front();
    not_full_.notify_one();
    return true;
  }
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
  }

 private:
  static constexpr size_t kMost = 500;
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<TaggedBlock> blocks_;
  bool closed_ = false;
};

TEST(ThreadsTest, ChurnOnTheProcessHeap) {
  std::atomic<size_t> damaged{0};
  RunThreads(kThreads, [&](size_t i) {
    damaged += Churn(nullptr, static_cast<uint32_t>(i), kRounds);
  });
  EXPECT_EQ(damaged, 0u);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST(ThreadsTest, ChurnOnOneArenaThatAllShare) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  std::atomic<size_t> damaged{0};
  RunThreads(kThreads, [&](size_t i) {
    damaged += Churn(arena, static_cast<uint32_t>(i), kRounds / 2);
  });
  EXPECT_EQ(damaged, 0u);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(ThreadsTest, BlocksAreFreedByOtherThreads) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  Queue queue;
  std::atomic<size_t> damaged{0};
  std::atomic<size_t> producers_left{kThreads / 2};
  RunThreads(kThreads, [&](size_t i) {
    ThreadRandom random(static_cast<uint32_t>(i));
    if (i % 2 == 0) {
      for (size_t round = 0; round < kRounds / 2; ++round) {
        myonly_arena* from = random.Below(2) == 0 ? arena : nullptr;
        const TaggedBlock block = NewBlock(from, random.Size(), i + round);
        if (block.start == nullptr) ++damaged;
        queue.Push(block);
      }
      if (--producers_left == 0) queue.Close();
      return;
    }
    TaggedBlock block;
    while (queue.Pop(&block)) {
      if (block.start != nullptr && !block.Holds()) ++damaged;
      myonly_free(block.start);
    }
  });
  EXPECT_EQ(damaged, 0u);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(ThreadsTest, EachThreadMakesAndDropsArenasOfItsOwn) {
  std::atomic<size_t> wrong{0};
  RunThreads(kThreads, [&](size_t i) {
    ThreadRandom random(static_cast<uint32_t>(i));
    for (size_t round = 0; round < kRounds / 100; ++round) {
      myonly_arena* arena = nullptr;
      if (myonly_arena_create(nullptr, &arena) != MYONLY_OK) {
        ++wrong;
        return;
      }
      for (size_t pass = 0; pass < 2; ++pass) {
        std::vector<TaggedBlock> blocks;
        for (size_t n = 0; n < 40; ++n) {
          blocks.push_back(NewBlock(arena, random.Size(), i + n));
          if (blocks.back().start == nullptr) ++wrong;
        }
        for (const TaggedBlock& block : blocks) {
          if (block.start != nullptr && !block.Holds()) ++wrong;
        }
        // Only some are freed: the arena drops the rest.
        for (size_t n = 0; n < blocks.size(); n += 3) {
          myonly_free(blocks[n].start);
        }
        if (pass == 0 && myonly_arena_reset(arena) != MYONLY_OK) ++wrong;
      }
      if (myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) != MYONLY_OK ||
          myonly_arena_reset(arena) != MYONLY_ERR_STALE) {
        ++wrong;
      }
    }
  });
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

TEST(ThreadsTest, LookingDoesNotDisturbThoseWhoWork) {
  std::atomic<bool> done{false};
  std::atomic<size_t> wrong{0};
  std::thread watcher([&] {
    while (!done) {
      myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
      if (myonly_arena_check(nullptr) != MYONLY_OK) ++wrong;
      if (myonly_arena_stats(nullptr, &stats) != MYONLY_OK) ++wrong;
      if (stats.allocations - stats.frees != stats.live_blocks) ++wrong;
      myonly_purge(size_t{1} << 20);
      std::this_thread::yield();
    }
  });
  RunThreads(3, [&](size_t i) {
    wrong += Churn(nullptr, static_cast<uint32_t>(i), kRounds / 4);
  });
  done = true;
  watcher.join();
  EXPECT_EQ(wrong, 0u);
}

TEST(ThreadsTest, ManyShortThreads) {
  std::atomic<size_t> damaged{0};
  for (size_t round = 0; round < kRounds / 300; ++round) {
    RunThreads(4, [&](size_t i) {
      damaged += Churn(nullptr, static_cast<uint32_t>(round * 4 + i), 50);
    });
  }
  EXPECT_EQ(damaged, 0u);
}

}  // namespace
}  // namespace myonly::testing
