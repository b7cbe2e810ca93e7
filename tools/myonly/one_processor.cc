#include "tools/myonly/one_processor.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace myonly::tools {
namespace {

constexpr int kMostProcessors = 16;

// The least of a few: what comes between only adds.
double SecondsOfStoresAndLoads() {
  using std::chrono::steady_clock;
  constexpr int kTries = 5;
  constexpr int kSteps = 50000;
  volatile uint64_t word = 0;
  double least = 1;
  for (int i = 0; i < kTries; ++i) {
    const auto start = steady_clock::now();
    for (int step = 0; step < kSteps; ++step) word = word + 1;
    const std::chrono::duration<double> taken = steady_clock::now() - start;
    least = std::min(least, taken.count());
  }
  return least;
}

}  // namespace

int QuickestProcessor() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return -1;
  int quickest = -1;
  double least = 1;
  int looked_at = 0;
  for (int i = 0; i < CPU_SETSIZE && looked_at < kMostProcessors; ++i) {
    if (!CPU_ISSET(i, &allowed) || !StayOnProcessor(i)) continue;
    ++looked_at;
    const double seconds = SecondsOfStoresAndLoads();
    if (seconds >= least) continue;
    least = seconds;
    quickest = i;
  }
  sched_setaffinity(0, sizeof(allowed), &allowed);
  return quickest;
}

bool StayOnProcessor(int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  CPU_SET(processor, &one);
  return sched_setaffinity(0, sizeof(one), &one) == 0;
}

}  // namespace myonly::tools
