// Sampled blocks in whole programs: what is caught, with which stacks, and that
// what is right works as ever.
#include <csignal>
#include <cstdint>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

ChildResult RunSampled(std::vector<std::string> argv,
                       Environment environment = {}) {
  ChildOptions child;
  child.argv = std::move(argv);
  child.environment = std::move(environment);
  child.environment.emplace_back("LD_PRELOAD",
                                 RunfilePath("capi/libmyonlymalloc-secure.so"));
  return RunChild(child);
}

ChildResult RunProgram(const std::string& how, Environment environment = {}) {
  if (environment.empty()) environment = {{"MYONLY_SAMPLE_RATE", "1"}};
  return RunSampled({RunfilePath("tests/guard/sampling_program"), how},
                    std::move(environment));
}

// Where the program's functions are, and the number of its first thread.
struct Functions {
  uintptr_t make, drop, touch;
  int thread;
};
Functions FunctionsOf(const ChildResult& result) {
  Functions functions = {};
  std::istringstream words(result.out);
  words >> std::hex >> functions.make >> functions.drop >> functions.touch;
  words >> std::dec >> functions.thread;
  return functions;
}

// The stack under a title has a frame in a function, whose code is not long.
bool HasFrame(const std::string& report, const std::string& title,
              uintptr_t function) {
  constexpr uintptr_t kMostBytes = 160;
  const size_t start = report.find("  " + title + " by thread ");
  if (start == std::string::npos || function == 0) return false;
  std::istringstream lines(report.substr(start));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line.rfind("    #", 0) == 0) {
    uintptr_t address = 0;
    std::istringstream(line.substr(line.find("0x"))) >> std::hex >> address;
    const bool is_named =
        line.find("/sampling_program+0x") != std::string::npos;
    if (is_named && address - function < kMostBytes) return true;
  }
  return false;
}

// How far from the block a fault was is in the second line; both addresses are
// there, too.
void ExpectDistance(const std::string& report) {
  const std::regex form(
      "at 0x([0-9a-f]+), arena process, size 100\n"
      "[^,]+, ([0-9]+) bytes (before|into|behind) "
      "the block of 100 bytes at 0x([0-9a-f]+)\n");
  std::smatch parts;
  ASSERT_TRUE(std::regex_search(report, parts, form)) << report;
  const uint64_t address = std::stoull(parts[1], nullptr, 16);
  const uint64_t start = std::stoull(parts[4], nullptr, 16);
  const uint64_t distance = std::stoull(parts[2]);
  if (parts[3] == "before") {
    EXPECT_EQ(address, start - distance) << report;
  } else {
    const uint64_t from = parts[3] == "into" ? start : start + 100;
    EXPECT_EQ(address, from + distance) << report;
  }
}

struct Case {
  const char* how;
  const char* what;
  const char* place;  // of the second line
  int signal;
  bool has_free;
};

void PrintTo(const Case& row, std::ostream* out) { *out << row.how; }

class SamplingTest : public ::testing::TestWithParam<Case> {};

TEST_P(SamplingTest, IsCaughtWithItsStacks) {
  const Case& row = GetParam();
  const ChildResult result = RunProgram(row.how);
  EXPECT_EQ(result.signal, row.signal) << result.Describe();
  const Functions functions = FunctionsOf(result);
  EXPECT_EQ(
      result.err.find("myonlymalloc: " + std::string(row.what) + " at 0x"), 0U)
      << result.err;
  EXPECT_NE(result.err.find(", arena process, size 100\n"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find(row.place), std::string::npos) << result.err;
  EXPECT_TRUE(HasFrame(result.err, "allocated", functions.make)) << result.err;
  EXPECT_NE(result.err.find("  allocated by thread " +
                            std::to_string(functions.thread) + ":\n"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(HasFrame(result.err, "freed", functions.drop), row.has_free)
      << result.err;
  if (row.signal == SIGSEGV) {
    EXPECT_TRUE(HasFrame(result.err, "accessed", functions.touch))
        << result.err;
    ExpectDistance(result.err);
  } else {
    EXPECT_NE(result.err.find("  called by thread "), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ways, SamplingTest,
    ::testing::Values(
        Case{"write_after_free", "use after free",
             "a write, 8 bytes into the block of 100 bytes at 0x", SIGSEGV,
             true},
        Case{"read_after_free", "use after free",
             "a read, 8 bytes into the block of 100 bytes at 0x", SIGSEGV,
             true},
        Case{"use_after_free_of_thread", "use after free",
             "8 bytes into the block of 100 bytes at 0x", SIGSEGV, true},
        Case{"overflow", "access behind the end of a block",
             " bytes behind the block of 100 bytes", SIGSEGV, false},
        Case{"underflow", "access before a block",
             " bytes before the block of 100 bytes", SIGSEGV, false},
        Case{"slack", "write behind the end of a block", "called by", SIGABRT,
             false},
        Case{"double_free", "double free", "called by", SIGABRT, true},
        Case{"late_double_free", "double free", "called by", SIGABRT, true},
        Case{"interior_free", "free of an address inside a block", "called by",
             SIGABRT, false},
        Case{"realloc_after_free", "double free", "called by", SIGABRT, true},
        Case{"wrong_size", "free with a wrong size", "called by", SIGABRT,
             false}),
    [](const ::testing::TestParamInfo<Case>& info) { return info.param.how; });

// It faults, or is seen when the block is freed.
TEST(SampledProgramTest, OneByteBefore) {
  const ChildResult result = RunProgram("write_before");
  EXPECT_TRUE(result.signal == SIGSEGV || result.signal == SIGABRT);
  EXPECT_TRUE(std::regex_search(
      result.err,
      std::regex("^myonlymalloc: (access|write) before a block at 0x")))
      << result.err;
}

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(SampledProgramTest, TheProgramsHandlerFollows) {
  const ChildResult result = RunProgram("own_handler");
  EXPECT_EQ(result.exit_code, 3) << result.Describe();
  EXPECT_EQ(result.err.find("myonlymalloc: use after free at 0x"), 0U)
      << result.err;
  EXPECT_EQ(Count(result.err, "myonlymalloc: "), 1U);
  EXPECT_EQ(Count(result.err, "the program's handler\n"), 1U);
}

TEST(SampledProgramTest, OtherFaultsAreTheProgramsAlone) {
  EXPECT_EQ(RunProgram("fault_elsewhere").signal, SIGSEGV);
  EXPECT_EQ(RunProgram("fault_elsewhere").err, "");
  EXPECT_EQ(RunProgram("raised").signal, SIGSEGV);
  const ChildResult result = RunProgram("own_handler_elsewhere");
  EXPECT_EQ(result.exit_code, 3) << result.Describe();
  EXPECT_EQ(result.err, "the program's handler\n");
}

TEST(SampledProgramTest, AHandlerMayGoOnAndBePutBack) {
  const ChildResult result = RunProgram("going_on");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_NE(result.out.find("10 faults\n"), std::string::npos) << result.out;
  EXPECT_EQ(Count(result.err, "myonlymalloc: use after free"), 5U);
}

TEST(SampledProgramTest, WhatTheProgramForbidsIsItsOwnAffair) {
  const ChildResult result = RunProgram("barrier");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err, "");
}

// sshd's children give up the right to almost all calls. Opening files is one
// of them.
TEST(SampledProgramTest, ASandboxIsNotLeft) {
  for (const char* rate : {"1", "20", "5000"}) {
    const ChildResult result = RunProgram(
        "sandbox", {{"MYONLY_SAMPLE_RATE", rate}, {"MYONLY_HUGE_PAGES", "0"}});
    if (result.exit_code == 77) GTEST_SKIP() << "no filters here";
    EXPECT_EQ(result.exit_code, 0) << rate << " " << result.Describe();
    EXPECT_EQ(result.err, "");
  }
}

TEST(SampledProgramTest, NorInRelease) {
  ChildOptions options;
  options.argv = {RunfilePath("tests/guard/sampling_program"), "sandbox"};
  options.environment = {{"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc.so")},
                         {"MYONLY_HUGE_PAGES", "0"}};
  const ChildResult result = RunChild(options);
  if (result.exit_code == 77) GTEST_SKIP() << "no filters here";
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
}

TEST(SampledProgramTest, BadFreesCanBeSurvived) {
  const ChildResult result =
      RunProgram("double_free",
                 {{"MYONLY_SAMPLE_RATE", "1"}, {"MYONLY_ON_MISUSE", "report"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(Count(result.err, "myonlymalloc: double free"), 1U);
}

TEST(SampledProgramTest, CountsInTheStatistics) {
  EXPECT_EQ(RunProgram("figures").out, "6000 12288 6000\n");
}

TEST(SampledProgramTest, NoneWithRateZero) {
  const ChildResult result =
      RunProgram("read_after_free", {{"MYONLY_SAMPLE_RATE", "0"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err, "");
}

TEST(SampledProgramTest, GoodUseByThreadsAndChildren) {
  for (const char* slots : {"1", "4096"}) {
    for (const char* rate : {"1", "7"}) {
      const ChildResult result = RunProgram(
          "good_use",
          {{"MYONLY_SAMPLE_RATE", rate}, {"MYONLY_SAMPLE_SLOTS", slots}});
      EXPECT_EQ(result.exit_code, 0) << result.Describe();
      EXPECT_EQ(result.out, "whole\n");
      EXPECT_EQ(result.err, "");
    }
  }
}

// As for other blocks; it is linked with the preset.
TEST(SampledProgramTest, SizedFrees) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/conformance/c_api_secure_test"),
                "--gtest_filter=*SizedFree*"};
  // The file is this test's own.
  child.environment = {{"MYONLY_SAMPLE_RATE", "1"},
                       {"TEST_PREMATURE_EXIT_FILE", ""}};
  const ChildResult result = RunChild(child);
  EXPECT_EQ(result.exit_code, 0) << result.Describe() << result.out;
  EXPECT_EQ(result.err, "");
}

// Whose every tenth request is sampled.
TEST(SampledProgramTest, ARealProgram) {
  const ChildResult result =
      RunSampled({"/usr/bin/python3", "-c",
                  "import json\n"
                  "d = [{'n': i, 's': str(i) * 40} for i in range(4000)]\n"
                  "assert json.loads(json.dumps(d)) == d\n"
                  "print(len(json.dumps(d)))"},
                 {{"MYONLY_SAMPLE_RATE", "10"}, {"PYTHONMALLOC", "malloc"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.out, "682490\n");
  EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace myonly::testing
