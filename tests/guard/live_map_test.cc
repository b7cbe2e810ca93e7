#include "allocator/guard/live_map.h"

#include <atomic>
#include <thread>
#include <vector>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kBytes = 16 * LiveMap::kBytesPerWord;

class LiveMapTest : public ::testing::TestWithParam<bool> {
 protected:
  LiveMapTest() { map_.Set(reinterpret_cast<uintptr_t>(memory_), words_); }
  bool IsAlone() const { return GetParam(); }

  alignas(16) char memory_[kBytes];
  uint64_t words_[LiveMap::BytesFor(kBytes) / sizeof(uint64_t)] = {};
  LiveMap map_;
};

TEST_P(LiveMapTest, EachAddressIsItsOwn) {
  for (size_t i = 0; i < kBytes; i += 16) {
    EXPECT_TRUE(map_.MarkLive(memory_ + i, IsAlone()));
    for (size_t j = 0; j < kBytes; j += 16) {
      ASSERT_EQ(map_.IsLive(memory_ + j), i == j);
    }
    EXPECT_FALSE(map_.MarkLive(memory_ + i, IsAlone()));
    EXPECT_TRUE(map_.MarkFree(memory_ + i, IsAlone()));
    EXPECT_FALSE(map_.MarkFree(memory_ + i, IsAlone()));
  }
}

TEST_P(LiveMapTest, ClearForgetsItsRangeOnly) {
  for (size_t i = 0; i < kBytes; i += 16) map_.MarkLive(memory_ + i, IsAlone());
  map_.Clear(memory_ + LiveMap::kBytesPerWord, 2 * LiveMap::kBytesPerWord);
  for (size_t i = 0; i < kBytes; i += 16) {
    const size_t word = i / LiveMap::kBytesPerWord;
    EXPECT_EQ(map_.IsLive(memory_ + i), word != 1 && word != 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Alone, LiveMapTest, ::testing::Bool());

// Of several threads that free the same blocks at once, one frees each.
TEST(LiveMapThreadsTest, OneOfManyFrees) {
  constexpr size_t kThreads = 4;
  constexpr size_t kMany = 512 * LiveMap::kBytesPerWord;
  static char memory[kMany];
  static uint64_t words[kMany / LiveMap::kBytesPerWord];
  const auto base = AlignUp(reinterpret_cast<uintptr_t>(memory), 16);
  LiveMap map;
  map.Set(base, words);
  const auto at = [base](size_t offset) {
    return reinterpret_cast<void*>(base + offset);
  };
  for (size_t i = 0; i + 16 < kMany; i += 16) map.MarkLive(at(i), true);
  std::atomic<size_t> ready{0};
  std::atomic<size_t> freed{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      size_t mine = 0;
      for (size_t i = 0; i + 16 < kMany; i += 16) {
        mine += map.MarkFree(at(i), false) ? 1 : 0;
      }
      freed += mine;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(freed.load(), kMany / 16 - 1);
}

}  // namespace
}  // namespace myonly::internal
