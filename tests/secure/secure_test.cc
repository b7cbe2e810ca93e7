// A program that runs with more rights than its caller (setuid) takes no
// options from the caller's environment: it would write a file of the caller's
// choice with its own rights.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

namespace fs = std::filesystem;

class SecureTest : public ::testing::Test {
 protected:
  SecureTest()
      : program_(folder_.path() + "/program"),
        stats_(folder_.path() + "/stats") {
    fs::copy_file(RunfilePath("tests/secure/secure_program"), program_);
    chmod(folder_.path().c_str(), 0755);
    child_.argv = {program_};
    child_.environment = {{"MYONLY_VERBOSE", "1"},
                          {"MYONLY_STATS_FILE", stats_}};
  }

  TempDirectory folder_;
  const std::string program_;
  const std::string stats_;
  ChildOptions child_;
};

TEST_F(SecureTest, NormalProgramsTakeOptions) {
  const ChildResult result = RunChild(child_);
  EXPECT_EQ(result.out, "normal 100\n") << result.Describe();
  EXPECT_NE(result.err.find("malloc is ours"), std::string::npos);
  EXPECT_TRUE(fs::exists(stats_));
}

TEST_F(SecureTest, SetuidProgramsTakeNone) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can lend its rights";
  if (!fs::exists("/usr/bin/setpriv")) GTEST_SKIP() << "there is no setpriv";
  ASSERT_EQ(chmod(program_.c_str(), 04755), 0);
  child_.argv = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups", program_};
  const ChildResult result = RunChild(child_);
  if (result.out == "normal 100\n") GTEST_SKIP() << "setuid is turned off here";
  EXPECT_EQ(result.out, "secure 100\n") << result.Describe();
  EXPECT_EQ(result.err, "");
  EXPECT_FALSE(fs::exists(stats_));
}

}  // namespace
}  // namespace myonly::testing
