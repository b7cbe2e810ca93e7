#include "allocator/base/clock.h"

#include <time.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(ClockTest, MovesForward) {
  const uint64_t before = CoarseMs();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GE(CoarseMs(), before + 20);
}

// Seconds and their fractions fit together: no step back at a new second.
TEST(ClockTest, NeverStepsBackAndIsNearTheExactClock) {
  timespec exact = {};
  clock_gettime(CLOCK_MONOTONIC, &exact);
  const uint64_t start_ms = static_cast<uint64_t>(exact.tv_sec) * 1000 +
                            static_cast<uint64_t>(exact.tv_nsec) / 1000000;
  uint64_t last = CoarseMs();
  EXPECT_GE(last + 50, start_ms);
  EXPECT_LT(last, start_ms + 10000);
  while (last < start_ms + 1100) {
    const uint64_t now = CoarseMs();
    ASSERT_GE(now, last);
    last = now;
  }
}

uint64_t Microseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000;
}

TEST(ClockTest, TheExactClockCountsMicroseconds) {
  for (int i = 0; i < 1000; ++i) {
    const uint64_t before = Microseconds();
    const uint64_t now = ExactUs();
    ASSERT_GE(now, before);
    ASSERT_LE(now, Microseconds());
  }
}

}  // namespace
}  // namespace myonly::internal
