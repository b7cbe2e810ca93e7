// One thread allocates, others do nothing but free: what they have freed is
// used again, however long that goes on. The allocator is this program's
// malloc.
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/concurrency/block.h"
#include "tests/support/resident.h"

namespace myonly::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kBatch = 500;
constexpr size_t kMostBatches = 16;

// So many batches of blocks at most, in memory that is there from the start:
// who takes one allocates nothing.
class Batches {
 public:
  using Batch = TaggedBlock[kBatch];

  void Put(const Batch& batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    change_.wait(lock, [this] { return count_ < kMostBatches; });
    std::copy(batch, batch + kBatch, batches_[count_++]);
    change_.notify_all();
  }
  // False: there will be no more.
  bool Take(Batch* batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    change_.wait(lock, [this] { return count_ > 0 || is_closed_; });
    if (count_ == 0) return false;
    --count_;
    std::copy(batches_[count_], batches_[count_] + kBatch, *batch);
    change_.notify_all();
    return true;
  }
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_closed_ = true;
    change_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable change_;
  Batch batches_[kMostBatches];
  size_t count_ = 0;
  bool is_closed_ = false;
};

Batches queue;
std::atomic<size_t> wrong{0};

void OnlyFree() {
  Batches::Batch batch;
  while (queue.Take(&batch)) {
    for (const TaggedBlock& block : batch) {
      if (!block.Holds()) ++wrong;
      free(block.start);
    }
  }
}

// The most that is resident meanwhile.
size_t Produce(size_t batches, size_t most_bytes, ThreadRandom* random) {
  Batches::Batch batch;
  size_t most = 0;
  for (size_t i = 0; i < batches; ++i) {
    for (TaggedBlock& block : batch) {
      block.size = 1 + random->Below(most_bytes);
      block.tag = static_cast<char>(i);
      block.start = static_cast<char*>(malloc(block.size));
      if (block.start == nullptr) {
        ++wrong;
        block.size = 0;
        continue;
      }
      block.Fill();
    }
    queue.Put(batch);
    if (i % 50 == 49) most = std::max(most, ResidentBytes());
  }
  return most;
}

TEST(ConsumersTest, WhatThreadsThatOnlyFreeHaveFreedIsUsedAgain) {
  std::vector<std::thread> consumers;
  for (int i = 0; i < 2; ++i) consumers.emplace_back(OnlyFree);
  ThreadRandom random(1);
  for (const size_t most_bytes : {size_t{900}, size_t{12000}}) {
    // Long enough for the consumers to fall behind as far as they ever do.
    const size_t first = Produce(1000, most_bytes, &random);
    const size_t then = Produce(2000, most_bytes, &random);
    printf("figure: up to %zu bytes: at first %zu KiB, then %zu KiB\n",
           most_bytes, first >> 10, then >> 10);
    // What went through it meanwhile is 450 MB, and 6 GB.
    EXPECT_LT(then, 2 * first + 16 * kMiB);
  }
  queue.Close();
  for (std::thread& consumer : consumers) consumer.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace myonly::testing
