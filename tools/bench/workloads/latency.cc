// How long single calls take: percentiles of malloc and of free, warm. The
// time of reading the clock is in them; the detail clock_ns tells how long
// that is.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tools/bench/workloads/workload.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace myonly::bench {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t Ticks() {
#if defined(__x86_64__)
  unsigned int processor = 0;
  return __rdtscp(&processor);
#else
  return static_cast<uint64_t>(Clock::now().time_since_epoch().count());
#endif
}

// A percentile of `ticks`, in nanoseconds.
double Percentile(std::vector<uint32_t>* ticks, double share, double scale) {
  const auto rank =
      static_cast<ptrdiff_t>(share * static_cast<double>(ticks->size() - 1));
  std::nth_element(ticks->begin(), ticks->begin() + rank, ticks->end());
  return (*ticks)[static_cast<size_t>(rank)] * scale;
}

void Describe(const std::string& name, std::vector<uint32_t>* ticks,
              double scale, Outcome* outcome) {
  const auto add = [&](const char* what, double share) {
    outcome->details.emplace_back(name + what, Percentile(ticks, share, scale));
  };
  add("_p50_ns", 0.5);
  add("_p99_ns", 0.99);
  add("_p999_ns", 0.999);
}

uint32_t Since(uint64_t start) {
  return static_cast<uint32_t>(std::min<uint64_t>(Ticks() - start, UINT32_MAX));
}

}  // namespace

void Latency(double scale, Outcome* outcome) {
  const size_t live = scale < 1 ? Scaled(10000, scale) : 10000;
  const size_t count = Scaled(2000000, scale);
  Random random(60);
  std::vector<uint32_t> mallocs(count), frees(count), clocks(1000);
  std::vector<Block> blocks(live);
  const auto turn = [&](size_t i, bool warm) {
    Block& block = blocks[random.Below(live)];
    const size_t size = random.Between(16, 1024);
    if (block.bytes != nullptr) outcome->checksum += Read(block);
    const uint64_t before_free = Ticks();
    std::free(block.bytes);
    if (warm) frees[i] = Since(before_free);
    const uint64_t before_malloc = Ticks();
    void* memory = std::malloc(size);
    if (warm) mallocs[i] = Since(before_malloc);
    block = {static_cast<unsigned char*>(CheckMemory(memory)), size};
    block.bytes[0] = static_cast<unsigned char>(i);
    block.bytes[size - 1] = static_cast<unsigned char>(size);
  };
  for (size_t i = 0; i < 10 * live; ++i) turn(i, false);
  const auto start = Clock::now();
  const uint64_t first = Ticks();
  for (size_t i = 0; i < count; ++i) turn(i, true);
  const auto ticks = static_cast<double>(Ticks() - first);
  const std::chrono::duration<double, std::nano> time = Clock::now() - start;
  const double ns_per_tick = time.count() / ticks;
  for (uint32_t& clock : clocks) clock = Since(Ticks());
  for (Block& block : blocks) outcome->checksum += ReadAndFree(&block);
  outcome->operations = count;
  Describe("malloc", &mallocs, ns_per_tick, outcome);
  Describe("free", &frees, ns_per_tick, outcome);
  outcome->details.emplace_back("clock_ns",
                                Percentile(&clocks, 0.5, ns_per_tick));
}

}  // namespace myonly::bench
