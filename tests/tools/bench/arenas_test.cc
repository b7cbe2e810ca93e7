// The benchmark of arenas, at a tiny scale.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"
#include "tests/tools/json_check.h"
#include "tools/bench/arenas/measures.h"

namespace myonly::testing {
namespace {

ChildResult Arenas(std::vector<std::string> arguments) {
  ChildOptions options;
  options.argv = {RunfilePath("tools/bench/arenas/arenas"), "--rounds=1",
                  "--scale=0.002"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  return RunChild(options);
}

TEST(ArenasBenchTest, HasAFigureForEachRowAndLibrary) {
  const TempDirectory folder;
  const std::string json = folder.path() + "/figures.json";
  const ChildResult result =
      Arenas({"--json", json, "--peer",
              "again=" + RunfilePath("capi/libmyonlymalloc.so")});
  ASSERT_TRUE(result.Succeeded()) << result.Describe();
  std::ifstream file(json);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(JsonCheck::IsJson(text)) << text;
  EXPECT_NE(result.out.find("| myonly | again |"), std::string::npos);
  for (const bench::Measure& measure : bench::AllMeasures()) {
    EXPECT_NE(result.out.find(measure.title), std::string::npos);
    EXPECT_NE(text.find(measure.name), std::string::npos);
  }
  EXPECT_EQ(result.out.find("failed"), std::string::npos) << result.out;
}

TEST(ArenasBenchTest, ALibraryWithoutArenasIsNamed) {
  const ChildResult result = Arenas({"--peer=none=/nowhere.so"});
  EXPECT_FALSE(result.Succeeded());
  EXPECT_NE(result.err.find("none: /nowhere.so"), std::string::npos)
      << result.err;
  EXPECT_NE(result.out.find("failed"), std::string::npos);
}

TEST(ArenasBenchTest, WrongOptionsAreNamed) {
  for (const char* wrong : {"--rounds=0", "--peer=nameless", "--unknown=1"}) {
    const ChildResult result = Arenas({wrong});
    EXPECT_FALSE(result.Succeeded());
    EXPECT_NE(result.err.find(wrong), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace myonly::testing
