// A mixed load at steady state: what is resident doesn't creep, and no mapping
// is left behind. ENDURANCE_SECONDS (default 5; an hour in the long suite) is
// how long. The allocator is this program's malloc.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/concurrency/block.h"

namespace myonly::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kThreads = 4;
constexpr size_t kSamples = 60;

struct Sample {
  double seconds;
  double resident_kib;
  size_t mappings;
};

Sample Look(double seconds) {
  Sample sample = {seconds, 0, 0};
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  statm >> size >> sample.resident_kib;
  sample.resident_kib *= static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) ++sample.mappings;
  return sample;
}

// KiB a second, by least squares.
double Slope(const std::vector<Sample>& samples) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Sample& sample : samples) {
    n += 1;
    x += sample.seconds;
    y += sample.resident_kib;
    xx += sample.seconds * sample.seconds;
    xy += sample.seconds * sample.resident_kib;
  }
  const double spread = n * xx - x * x;
  return spread == 0 ? 0 : (n * xy - x * y) / spread;
}

class Load {
 public:
  void Run(uint32_t seed) {
    ThreadRandom random(seed);
    std::vector<TaggedBlock> own(3000);
    size_t i = 0;
    while (!done) {
      ++i;
      TaggedBlock& block = own[random.Below(own.size())];
      if (block.start != nullptr && !block.Holds()) ++damaged;
      if (block.start != nullptr && i % 9 == 0) {
        Grow(&block, random);
        continue;
      }
      free(block.start);
      block = New(i % 500 == 0  ? random.Below(12u << 20) + 1
                  : i % 20 == 0 ? random.Below(100'000) + 1
                                : random.Below(1500) + 1,
                  i);
      if (i % 3 == 0) Swap(&block, random.Below(shared_.size()));
    }
    for (TaggedBlock& block : own) free(block.start);
  }
  ~Load() {
    for (TaggedBlock& block : shared_) free(block.start);
  }

  std::atomic<bool> done{false};
  std::atomic<size_t> damaged{0};

 private:
  static TaggedBlock New(size_t size, size_t tag) {
    TaggedBlock block = {static_cast<char*>(malloc(size)), size,
                         static_cast<char>(tag)};
    if (block.start != nullptr) block.Fill();
    return block;
  }
  void Grow(TaggedBlock* block, ThreadRandom& random) {
    block->size = block->size / 2 + random.Below(3000) + 1;
    block->start = static_cast<char*>(realloc(block->start, block->size));
    if (block->start == nullptr) {
      ++damaged;
    } else {
      block->Fill();
    }
  }
  void Swap(TaggedBlock* block, size_t place) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::swap(*block, shared_[place]);
  }

  std::mutex mutex_;
  std::vector<TaggedBlock> shared_ = std::vector<TaggedBlock>(2000);
};

TEST(EnduranceTest, SteadyLoadDoesNotCreep) {
  const char* text = getenv("ENDURANCE_SECONDS");
  const double seconds = text != nullptr ? atof(text) : 5;
  std::vector<Sample> samples;
  Load load;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&load, i] { load.Run(i); });
  }
  const auto begin = Clock::now();
  for (size_t i = 1; i <= kSamples; ++i) {
    std::this_thread::sleep_until(
        begin + std::chrono::duration_cast<Clock::duration>(
                    std::chrono::duration<double>(
                        seconds * static_cast<double>(i) / kSamples)));
    samples.push_back(Look(seconds * static_cast<double>(i) / kSamples));
  }
  load.done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(load.damaged, 0u);

  // The first half is for growing up.
  const std::vector<Sample> late(samples.begin() + kSamples / 2, samples.end());
  const double slope = Slope(late);
  const double growth = slope * seconds / 2;
  printf(
      "%.0f s: resident %.0f KiB, slope %.3f KiB/s; mappings %zu, then "
      "%zu\n",
      seconds, late.back().resident_kib, slope, late.front().mappings,
      late.back().mappings);
  // Noise of the large blocks; an hour makes a leak larger, and it not.
  EXPECT_LT(growth, late.front().resident_kib * 0.15 + 16 * 1024);
  EXPECT_LT(late.back().mappings, late.front().mappings + 100);
}

}  // namespace
}  // namespace myonly::testing
