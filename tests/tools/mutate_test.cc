// What tools/mutate answers before it builds anything.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

class MutateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ChildOptions python;
    python.argv = {"python3", "--version"};
    if (!RunChild(python).Succeeded()) GTEST_SKIP() << "there is no python3";
  }
  static ChildResult Run(std::vector<std::string> arguments) {
    ChildOptions options;
    options.argv = {"python3", RunfilePath("tools/mutate")};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    return RunChild(options);
  }
};

TEST_F(MutateTest, HelpTellsTheArguments) {
  const ChildResult result = Run({"--help"});
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_NE(result.out.find("[COUNT [SEED [LAYER...]]]"), std::string::npos);
  EXPECT_NE(result.out.find("Layers: base "), std::string::npos);
}

TEST_F(MutateTest, BadArgumentsAreNamedInOneLine) {
  const struct {
    std::vector<std::string> arguments;
    const char* line;
  } cases[] = {
      {{"blocks"}, "'blocks' is no COUNT"},
      {{"0"}, "'0' is no COUNT"},
      {{"3", "-1"}, "'-1' is no SEED"},
      {{"3", "1", "base", "capi"}, "'capi' is no LAYER"},
      {{"3", "1", "--all"}, "'--all' is no LAYER"},
      {{"x", "--all-tests-for-survivors", "y", "base"},
       "'x' is no COUNT, 'y' is no SEED"},
  };
  for (const auto& bad : cases) {
    const ChildResult result = Run(bad.arguments);
    EXPECT_EQ(result.exit_code, 2) << bad.line;
    EXPECT_EQ(result.err,
              std::string("tools/mutate: ") + bad.line + "; see --help\n");
    EXPECT_EQ(result.out, "");
  }
}

}  // namespace
}  // namespace myonly::testing
