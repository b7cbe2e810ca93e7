#include "allocator/base/check.h"

#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

void Report(uintptr_t address) {
  ReportAndAbort("double free", reinterpret_cast<const void*>(address));
}

TEST(CheckTest, GoesOnIfTheConditionHolds) {
  int evaluated = 0;
  MYONLY_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, NamesConditionAndPlaceInOneLineAndAborts) {
  EXPECT_EXIT(MYONLY_CHECK(1 + 1 == 3), ::testing::KilledBySignal(SIGABRT),
              "^myonlymalloc: check failed: 1 \\+ 1 == 3 "
              "\\(.*tests/base/check_test\\.cc:[0-9]+\\)\n$");
}

TEST(CheckDeathTest, AReportIsOneLineThatNamesTheFaultAndTheAddress) {
  EXPECT_EXIT(Report(0x1230), ::testing::KilledBySignal(SIGABRT),
              "^myonlymalloc: double free at 0x1230\n$");
  EXPECT_EXIT(Report(0), ::testing::KilledBySignal(SIGABRT),
              "^myonlymalloc: double free at 0x0\n$");
}

TEST(CheckDeathTest, AMisuseAbortsUnlessTheProcessShallGoOn) {
  const void* address = reinterpret_cast<const void*>(uintptr_t{0x1230});
  EXPECT_EXIT(ReportMisuse("double free", address),
              ::testing::KilledBySignal(SIGABRT),
              "^myonlymalloc: double free at 0x1230\n$");
  EXPECT_EXIT(
      {
        GoOnAfterMisuse();
        ReportMisuse("double free", address);
        ReportMisuse("double free", address);
        _exit(7);
      },
      ::testing::ExitedWithCode(7),
      "^(myonlymalloc: double free at 0x1230\n){2}$");
}

TEST(CheckDeathTest, DebugChecksAreLeftOutOfOptimisedBuilds) {
  int evaluated = 0;
  MYONLY_DCHECK(++evaluated == 1);
#ifdef NDEBUG
  EXPECT_EQ(evaluated, 0);
  MYONLY_DCHECK(evaluated == 1);
#else
  EXPECT_EQ(evaluated, 1);
  EXPECT_DEATH(MYONLY_DCHECK(evaluated == 0), "evaluated == 0");
#endif
}

}  // namespace
}  // namespace myonly::internal
