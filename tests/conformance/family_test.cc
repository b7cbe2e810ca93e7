// All assertions on the malloc family hold, linked and preloaded, in every
// environment that programs meet.
#include <stdlib.h>

#include <fstream>
#include <ostream>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

constexpr int kLeastAssertions = 350;
// What a command ends with where the machine forbids the environment.
constexpr int kNotAllowed = 77;

struct Environment {
  const char* name;
  // A command of the shell that starts "$@".
  const char* command;
  bool is_limited;
};

void PrintTo(const Environment& value, std::ostream* out) {
  *out << value.name;
}

const Environment kEnvironments[] = {
    {"Plain", "exec \"$@\"", false},
    {"Addresses6GB", "ulimit -v 6291456; exec \"$@\"", false},
    {"Addresses512MB", "ulimit -v 524288; exec \"$@\" limited", true},
    {"EmptyEnvironment",
     "exec env -i ${LD_PRELOAD:+LD_PRELOAD=$LD_PRELOAD} \"$@\"", false},
    {"ClosedDescriptors", "exec \"$@\" <&- >&- 2>&-", false},
    {"UnlimitedStack", "ulimit -s unlimited || exit 77; exec \"$@\"", false},
    {"FixedAddresses", "setarch -R true || exit 77; exec setarch -R \"$@\"",
     false},
    {"SmallStack", "ulimit -s 128; exec \"$@\"", false},
    {"FewFiles", "ulimit -n 5; exec \"$@\"", false},
};

class FamilyTest
    : public ::testing::TestWithParam<std::tuple<Environment, bool>> {};

std::string ReadAll(const std::string& path) {
  std::stringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

TEST_P(FamilyTest, EveryAssertionHolds) {
  const auto& [environment, preloaded] = GetParam();
  const TempDirectory directory;
  const std::string log = directory.path() + "/log";
  ChildOptions child;
  child.argv = {"sh",
                "-c",
                environment.command,
                "sh",
                RunfilePath(preloaded ? "tests/conformance/family_plain"
                                      : "tests/conformance/family_linked"),
                log};
  if (preloaded) {
    child.environment = {
        {"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc.so")}};
  }
  const ChildResult result = RunChild(child);
  if (result.exit_code == kNotAllowed) GTEST_SKIP() << result.Describe();
  const std::string text = ReadAll(log);
  EXPECT_TRUE(result.Succeeded()) << result.Describe() << "\n" << text;
  std::smatch match;
  ASSERT_TRUE(std::regex_search(
      text, match, std::regex("([0-9]+) assertions, 0 failures\n")))
      << text;
  EXPECT_GE(atoi(match[1].str().c_str()), kLeastAssertions);
  RecordProperty("assertions", match[1].str());
  printf("%s assertions, 0 failures\n", match[1].str().c_str());
}

INSTANTIATE_TEST_SUITE_P(
    In, FamilyTest,
    ::testing::Combine(::testing::ValuesIn(kEnvironments), ::testing::Bool()),
    [](const ::testing::TestParamInfo<FamilyTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).name) +
             (std::get<1>(info.param) ? "Preloaded" : "Linked");
    });

}  // namespace
}  // namespace myonly::testing
