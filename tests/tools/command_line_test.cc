#include "tools/myonly/command_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace myonly::tools {
namespace {

using Words = std::vector<std::string>;

TEST(CommandLineTest, FirstTwoDashesPartRunnerAndProgram) {
  const char* const argv[] = {"myonly", "run", "--json", "--",
                              "git",    "log", "--",     "--help"};
  const SplitArguments split = Split(8, argv);
  EXPECT_EQ(split.own, (Words{"myonly", "run", "--json"}));
  EXPECT_EQ(split.program, (Words{"git", "log", "--", "--help"}));
  EXPECT_TRUE(split.has_separator);
}

TEST(CommandLineTest, WithoutTwoDashesAllIsTheRunners) {
  const char* const argv[] = {"myonly", "run", "ls"};
  const SplitArguments split = Split(3, argv);
  EXPECT_EQ(split.own.size(), 3U);
  EXPECT_TRUE(split.program.empty());
  EXPECT_FALSE(split.has_separator);
}

TEST(CommandLineTest, AllocatorIsNameAndPath) {
  std::string name;
  std::string path;
  ASSERT_TRUE(ParseAllocator("other=/lib/a=b.so", &name, &path));
  EXPECT_EQ(name, "other");
  EXPECT_EQ(path, "/lib/a=b.so");
}

TEST(CommandLineTest, AllocatorWithoutNameOrPathIsRefused) {
  std::string name;
  std::string path;
  EXPECT_FALSE(ParseAllocator("", &name, &path));
  EXPECT_FALSE(ParseAllocator("/lib/a.so", &name, &path));
  EXPECT_FALSE(ParseAllocator("=/lib/a.so", &name, &path));
  EXPECT_FALSE(ParseAllocator("name=", &name, &path));
}

}  // namespace
}  // namespace myonly::tools
