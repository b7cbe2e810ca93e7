#include "allocator/base/check.h"

#include <csignal>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(CheckTest, GoesOnIfTheConditionHolds) {
  int evaluated = 0;
  MYONLY_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, NamesConditionAndPlaceAndAborts) {
  EXPECT_EXIT(MYONLY_CHECK(1 + 1 == 3), ::testing::KilledBySignal(SIGABRT),
              "1 \\+ 1 == 3.*check_test.cc");
}

TEST(CheckDeathTest, AReportNamesTheFaultAndTheAddress) {
  EXPECT_EXIT(
      ReportAndAbort("double free", reinterpret_cast<const void*>(0x1230)),
      ::testing::KilledBySignal(SIGABRT), "myonlymalloc: double free.*0x1230");
}

}  // namespace
}  // namespace myonly::internal
