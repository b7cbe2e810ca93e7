// What one allocation costs with its free, size by size and with more and more
// threads: in the details, as how long the whole takes says nothing.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Of `operations` that have taken all the time since `start`.
double NsEach(Clock::time_point start, size_t operations) {
  const std::chrono::duration<double, std::nano> time = Clock::now() - start;
  return time.count() / static_cast<double>(operations);
}

std::string Named(const std::string& what, size_t bytes) {
  return bytes < 1024 ? what + "_" + std::to_string(bytes) + "_ns"
                      : what + "_" + std::to_string(bytes / 1024) + "k_ns";
}

void MakeAndFreeAll(size_t size, bool last_first, std::vector<Block>* blocks,
                    Outcome* outcome) {
  const size_t count = blocks->size();
  for (size_t i = 0; i < count; ++i) (*blocks)[i] = Make(size, i);
  for (size_t i = 0; i < count; ++i) {
    Block* block = &(*blocks)[last_first ? count - 1 - i : i];
    outcome->checksum += ReadAndFree(block);
  }
}

void WarmBatches(double scale, bool last_first, Outcome* outcome) {
  constexpr size_t kWarmUps = 3;
  std::vector<Block> blocks(Scaled(1000, std::min(scale, 1.0)));
  const size_t rounds = Scaled(60, scale);
  for (size_t size = 4096; size <= 256 * 1024; size *= 2) {
    for (size_t i = 0; i < kWarmUps; ++i) {
      MakeAndFreeAll(size, last_first, &blocks, outcome);
    }
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < rounds; ++i) {
      MakeAndFreeAll(size, last_first, &blocks, outcome);
    }
    outcome->details.emplace_back(Named("batch", size),
                                  NsEach(start, rounds * blocks.size()));
    outcome->operations += (kWarmUps + rounds) * blocks.size();
  }
}

// Replaces blocks of [low, high] at random, `count` times.
uint64_t Replace(size_t low, size_t high, size_t count, Random* random,
                 std::vector<Block>* blocks) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    Block& block = (*blocks)[random->Below(blocks->size())];
    sum += ReadAndFree(&block);
    block = Make(random->Between(low, high), i);
  }
  return sum;
}

// Each thread has blocks of its own.
void ReplaceInThreads(size_t threads, size_t count, Outcome* outcome) {
  std::vector<uint64_t> sums(threads);
  std::vector<std::thread> running;
  for (size_t t = 0; t < threads; ++t) {
    running.emplace_back([t, count, &sums] {
      Random random(31 + t);
      std::vector<Block> blocks(1000);
      uint64_t sum = Replace(16, 512, count, &random, &blocks);
      for (Block& block : blocks) sum += ReadAndFree(&block);
      sums[t] = sum;
    });
  }
  for (std::thread& thread : running) thread.join();
  for (const uint64_t sum : sums) outcome->checksum += sum;
  outcome->operations += threads * count;
}

double CpuNs() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 +
           static_cast<double>(time.tv_usec) * 1e3;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

}  // namespace

void WarmBatchesLifo(double scale, Outcome* outcome) {
  WarmBatches(scale, true, outcome);
}

void WarmBatchesFifo(double scale, Outcome* outcome) {
  WarmBatches(scale, false, outcome);
}

void LargePairs(double scale, Outcome* outcome) {
  const size_t count = Scaled(1000000, scale);
  for (const size_t size : {size_t{256} << 10, size_t{4} << 20}) {
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < count; ++i) {
      Block block = Make(size, i);
      outcome->checksum += ReadAndFree(&block);
    }
    outcome->details.emplace_back(Named("pair", size), NsEach(start, count));
    outcome->operations += count;
  }
}

void ReplaceBySize(double scale, Outcome* outcome) {
  const size_t count = Scaled(1000000, scale);
  for (size_t size = 8; size <= 4096; size *= 2) {
    Random random(32);
    std::vector<Block> blocks(Scaled(100000, std::min(scale, 1.0)));
    for (Block& block : blocks) block = Make(size, random.Next());
    const Clock::time_point start = Clock::now();
    outcome->checksum += Replace(size, size, count, &random, &blocks);
    outcome->details.emplace_back(Named("replace", size), NsEach(start, count));
    for (Block& block : blocks) outcome->checksum += ReadAndFree(&block);
    outcome->operations += count;
  }
}

// Processor time, as there are more threads than processors.
void MoreThreads(double scale, Outcome* outcome) {
  const size_t count = Scaled(8000000, scale);
  for (const size_t threads : {1, 2, 8, 64}) {
    const double before = CpuNs();
    const size_t each = std::max<size_t>(1, count / threads);
    ReplaceInThreads(threads, each, outcome);
    outcome->details.emplace_back(
        "threads_" + std::to_string(threads) + "_ns",
        (CpuNs() - before) / static_cast<double>(each * threads));
  }
}

}  // namespace myonly::bench
