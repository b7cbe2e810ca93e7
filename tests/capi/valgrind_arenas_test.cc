// What valgrind's memcheck says of misuse of an arena's memory, in a build with
// --define=myonly_valgrind=arenas. In others this is skipped.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

constexpr int kFound = 9;

class ValgrindArenasTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
#ifndef MYONLY_TELLS_VALGRIND
    GTEST_SKIP() << "needs --define=myonly_valgrind=arenas";
#endif
    ChildOptions child;
    child.argv = {"valgrind", "--version"};
    if (!RunChild(child).Succeeded()) {
      GTEST_SKIP() << "valgrind is not installed";
    }
  }
  static ChildResult Run(const char* misuse) {
    ChildOptions child;
    child.argv = {"valgrind", "--error-exitcode=" + std::to_string(kFound),
                  "--suppressions=" + RunfilePath("tools/valgrind.supp"),
                  RunfilePath("tests/capi/valgrind_arenas_program"), misuse};
    return RunChild(child);
  }
};

TEST_P(ValgrindArenasTest, MisuseIsReported) {
  const ChildResult result = Run(GetParam());
  EXPECT_EQ(result.exit_code, kFound) << result.Describe();
  // Of blocks of each of the four sizes; nobody else is named.
  EXPECT_NE(result.err.find("Invalid write of size 1"), std::string::npos);
  EXPECT_NE(result.err.find(": main (in "), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("Invalid read"), std::string::npos) << result.err;
  const std::string count = GetParam() == std::string("freed") ? "8" : "4";
  EXPECT_NE(result.err.find("ERROR SUMMARY: " + count + " errors"),
            std::string::npos)
      << result.err;
}

TEST_F(ValgrindArenasTest, GoodProgramsAreNotReported) {
  const ChildResult result = Run("good");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
}

INSTANTIATE_TEST_SUITE_P(Ways, ValgrindArenasTest,
                         ::testing::Values("behind", "freed", "reset",
                                           "destroyed"));

}  // namespace
}  // namespace myonly::testing
