// The preset secure with MYONLY_ON_MISUSE=report: each misuse is reported, and
// the process goes on with a heap that is whole.
#include <csignal>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

ChildResult RunWith(const char* on_misuse) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/guard/report_program")};
  child.environment = {{"MYONLY_ON_MISUSE", on_misuse}};
  return RunChild(child);
}

size_t Count(const std::string& text, const std::string& what) {
  std::istringstream lines(text);
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(what) != std::string::npos) ++count;
  }
  return count;
}

TEST(ReportTest, GoesOnAndTellsAll) {
  const ChildResult result = RunWith("report");
  EXPECT_EQ(result.out, "whole") << result.Describe();
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(Count(result.err, "free of an address inside a block"), 100U);
  // By free and by realloc.
  EXPECT_EQ(Count(result.err, "double free"), 200U);
  EXPECT_EQ(Count(result.err, "write behind the end of a block"), 100U);
  EXPECT_GE(Count(result.err, "write to a free block"), 80U);
}

TEST(ReportTest, AbortsElse) {
  EXPECT_EQ(RunWith("abort").signal, SIGABRT);
  const ChildResult unknown = RunWith("ignore");
  EXPECT_EQ(unknown.signal, SIGABRT);
  EXPECT_EQ(
      Count(unknown.err, "MYONLY_ON_MISUSE=ignore is neither abort nor report"),
      1U);
}

}  // namespace
}  // namespace myonly::testing
