// Each example runs, prints what it promises, and ends well.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "allocator/base/preset.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

ChildResult RunExample(const std::string& name,
                       std::vector<std::string> arguments = {}) {
  ChildOptions options;
  options.argv = {RunfilePath("examples/" + name)};
  for (std::string& argument : arguments) {
    options.argv.push_back(std::move(argument));
  }
  return RunChild(options);
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The first number after `word` in the line that starts with `start` (the
// `skip`-th such line); -1 if there is none.
long NumberAfter(const std::string& text, const std::string& start,
                 const std::string& word, int skip = 0) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, start.size(), start) != 0 || skip-- > 0) continue;
    const size_t position = line.find(word);
    if (position == std::string::npos) return -1;
    return std::stol(line.substr(position + word.size()));
  }
  return -1;
}

TEST(ExamplesTest, HelloSaysHelloAndItsVersion) {
  const ChildResult result = RunExample("hello");
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out.find("hello from MyAndOnlyMalloc 0."), 0U) << result.out;
  EXPECT_EQ(result.err, "");
}

TEST(ExamplesTest, RequestsHoldNoMoreMemoryThanTheFirst) {
  const ChildResult result = RunExample("arena_per_request");
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  const std::string& out = result.out;
  EXPECT_EQ(NumberAfter(out, "after request 1 ", "live blocks"), 41) << out;
  EXPECT_EQ(NumberAfter(out, "after request 1000", "live blocks"), 41) << out;
  EXPECT_EQ(NumberAfter(out, "after the last reset", "live blocks"), 0) << out;
  EXPECT_EQ(NumberAfter(out, "after the last reset", "live bytes"), 0) << out;
  // In secure blocks that came from regions at first come from slabs then.
  const int more = internal::kIsSecure ? 32 : 0;
  EXPECT_LE(NumberAfter(out, "after request 1000", "reserved"),
            NumberAfter(out, "after request 1 ", "reserved") + more)
      << out;
  EXPECT_TRUE(Contains(out, "1000 resets")) << out;
}

TEST(ExamplesTest, TwoArenasKeepTheirOwnBlocksAndStatistics) {
  TempDirectory folder;
  const std::string path = folder.path() + "/text";
  std::ofstream(path) << "To be, or not to be: that is the question.\n";
  const ChildResult result = RunExample("two_arenas", {path});
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  const std::string& out = result.out;
  EXPECT_EQ(out.find("10 words, 8 different\n"), 0U) << out;
  EXPECT_EQ(NumberAfter(out, "  be ", "be"), 2) << out;
  // 8 words; 8 entries and the table of them.
  EXPECT_EQ(NumberAfter(out, "  arena words", "live"), 8) << out;
  EXPECT_EQ(NumberAfter(out, "  arena index", "live"), 9) << out;
  // The reset of one left the other alone.
  EXPECT_EQ(NumberAfter(out, "  arena words", "live", 1), 8) << out;
  EXPECT_EQ(NumberAfter(out, "  arena index", "live", 1), 0) << out;
}

TEST(ExamplesTest, TwoArenasSayWhichFileIsMissing) {
  const ChildResult result = RunExample("two_arenas", {"/no/such/text"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err.find("/no/such/text: "), 0U) << result.err;
}

TEST(ExamplesTest, ContainersLiveInTheArenaAndLeaveIt) {
  const ChildResult result = RunExample("arena_containers");
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  const std::string& out = result.out;
  EXPECT_TRUE(Contains(out, "sum 1..1000 = 500500")) << out;
  EXPECT_TRUE(Contains(out, "12 -> the square of this number is 144")) << out;
  EXPECT_TRUE(Contains(out, "100 lines, the last has 53 characters")) << out;
  EXPECT_EQ(NumberAfter(out, "  one vector:", ":"), 1) << out;
  // A node and a text for each number; the vector's array and a text a line.
  EXPECT_EQ(NumberAfter(out, "  map of 100 strings:", ":"), 200) << out;
  EXPECT_EQ(NumberAfter(out, "  pmr vector:", ":"), 101) << out;
  EXPECT_EQ(NumberAfter(out, "all destroyed:", ":"), 0) << out;
  EXPECT_EQ(NumberAfter(out, "left behind:", ":"), 2) << out;
  EXPECT_EQ(NumberAfter(out, "after reset:", ":"), 0) << out;
}

}  // namespace
}  // namespace myonly::testing
