// Real programs do the same on our allocator as on libc's: each row of the
// program table is run without and with LD_PRELOAD, and has to print the same
// and to exit with the same code. Programs that are not installed are skipped.
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/programs/program_table.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {

namespace {

// Not the caller's: what it finds there may be wrapper scripts.
constexpr char kDefaultPath[] =
    "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

// TEST_PROGRAMS_PATH names other places to look for programs, before those.
std::string SearchPath() {
  const char* more = getenv("TEST_PROGRAMS_PATH");
  return (more != nullptr ? std::string(more) + ":" : "") + kDefaultPath;
}

bool IsInstalled(const std::string& program) {
  std::istringstream directories(SearchPath());
  std::string directory;
  while (std::getline(directories, directory, ':')) {
    if (access((directory + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

ChildOptions Script(const Program& program, const std::string& directory) {
  ChildOptions child;
  child.argv = {"/bin/bash", "-c", program.script};
  child.environment = {{"PATH", SearchPath()}, {"HOME", directory},
                       {"TMPDIR", directory},  {"LC_ALL", "C"},
                       {"TZ", "UTC"},          {"LANG", "C"}};
  const std::string extra = program.environment;
  if (const size_t equals = extra.find('='); equals != std::string::npos) {
    child.environment.emplace_back(extra.substr(0, equals),
                                   extra.substr(equals + 1));
  }
  child.directory = directory;
  child.timeout_seconds = 120;
  return child;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class ProgramTest : public ::testing::TestWithParam<Program> {};

TEST_P(ProgramTest, DoesTheSameAsOnLibcsMalloc) {
  const Program& program = GetParam();
  std::istringstream needs(program.needs);
  std::string needed;
  while (needs >> needed) {
    if (!IsInstalled(needed)) GTEST_SKIP() << needed << " is not installed";
  }
  const TempDirectory libc_directory;
  const ChildResult expected = RunChild(Script(program, libc_directory.path()));
  ASSERT_FALSE(expected.timed_out) << expected.Describe();
  ASSERT_EQ(expected.exit_code, 0) << expected.Describe();
  ASSERT_NE(expected.out, "");

  const TempDirectory our_directory;
  const TempDirectory statistics;
  const std::string statistics_file = statistics.path() + "/statistics";
  ChildOptions child = Script(program, our_directory.path());
  child.environment.emplace_back("LD_PRELOAD",
                                 RunfilePath("capi/libmyonlymalloc.so"));
  child.environment.emplace_back("MYONLY_STATS_FILE", statistics_file);
  const ChildResult result = RunChild(child);
  EXPECT_EQ(result.out, expected.out) << result.Describe();
  EXPECT_EQ(result.exit_code, expected.exit_code) << result.Describe();
  EXPECT_EQ(result.err.find("myonlymalloc:"), std::string::npos)
      << result.Describe();
  const std::regex proof("program=[^ ]*" + std::string(program.proof));
  EXPECT_TRUE(std::regex_search(ReadFile(statistics_file), proof))
      << program.proof << " did not run on our allocator";
}

INSTANTIATE_TEST_SUITE_P(Table, ProgramTest, ::testing::ValuesIn(Programs()),
                         [](const ::testing::TestParamInfo<Program>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace myonly::testing
