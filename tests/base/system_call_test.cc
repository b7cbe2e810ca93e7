#include "allocator/base/system_call.h"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>

#include "allocator/base/clock.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(SystemCallTest, AFailureIsToldAndErrnoKept) {
  errno = 77;
  // Not a multiple of the page size.
  const long failed = SystemCall(SystemCallNumber::kMunmap, 1, 1);
  EXPECT_TRUE(SystemCallFailed(failed));
  EXPECT_EQ(failed, -EINVAL);
  EXPECT_EQ(errno, 77);
  EXPECT_FALSE(SystemCallFailed(0));
  // The highest addresses are results, the last 4095 are errors.
  EXPECT_FALSE(SystemCallFailed(-4096));
  EXPECT_TRUE(SystemCallFailed(-1));
}

TEST(ClockTest, MovesForward) {
  const uint64_t before = CoarseMs();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t after = CoarseMs();
  EXPECT_GE(after, before + 20);
}

}  // namespace
}  // namespace myonly::internal
