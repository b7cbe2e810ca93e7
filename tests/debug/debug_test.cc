// The preset debug, by real programs under LD_PRELOAD: patterns, stacks, what
// is left at exit, calls in the midst of calls.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

ChildResult RunProgram(const std::string& what, Environment environment = {}) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/debug/debug_program"), what};
  child.environment = std::move(environment);
  child.environment.emplace_back("LD_PRELOAD",
                                 RunfilePath("capi/libmyonlymalloc-debug.so"));
  return RunChild(child);
}

// The lines of the stack below the line that ends with `title`.
std::vector<std::string> StackBelow(const std::string& text,
                                    const std::string& title) {
  std::vector<std::string> stack;
  std::istringstream lines(text);
  bool is_below = false;
  for (std::string line; std::getline(lines, line);) {
    const bool is_frame = line.rfind("    #", 0) == 0;
    if (is_below && is_frame) stack.push_back(line);
    if (!is_frame) {
      is_below = line.size() >= title.size() &&
                 line.substr(line.size() - title.size()) == title;
    }
  }
  return stack;
}

// The function that a frame's line is in, as addr2line says. "": none there.
std::string FunctionOf(const std::string& line) {
  const size_t path = line.find(" /");
  const size_t plus = line.rfind('+');
  if (path == std::string::npos || plus == std::string::npos) return "";
  ChildOptions child;
  child.argv = {"addr2line", "-f", "-e", line.substr(path + 1, plus - path - 1),
                line.substr(plus + 1)};
  const ChildResult result = RunChild(child);
  return result.Succeeded() ? result.out.substr(0, result.out.find('\n')) : "";
}

bool HasAddr2line() {
  ChildOptions child;
  child.argv = {"addr2line", "--version"};
  return RunChild(child).Succeeded();
}

// The first two calls of the stack are those of the program.
void ExpectCalls(const std::string& text, const std::string& title,
                 const char* inner, const char* outer) {
  const std::vector<std::string> stack = StackBelow(text, title);
  ASSERT_GE(stack.size(), 2U) << title << "\n" << text;
  EXPECT_NE(stack[0].find("/debug_program+0x"), std::string::npos) << stack[0];
  if (!HasAddr2line()) return;
  EXPECT_EQ(FunctionOf(stack[0]), inner) << text;
  if (*outer != '\0') {
    EXPECT_EQ(FunctionOf(stack[1]), outer) << text;
  }
}

bool Says(const ChildResult& result, const std::string& line) {
  return result.err.find("myonlymalloc: " + line) != std::string::npos;
}

// How many blocks of 1000 bytes are told to be lost.
int LostBlocks(const std::string& text) {
  const std::regex kGroup("  [0-9]+000 bytes in ([0-9]+) blocks, made by:\n");
  std::smatch lost;
  return std::regex_search(text, lost, kGroup) ? std::stoi(lost[1]) : 0;
}

TEST(DebugTest, FillsWhatIsMadeAndWhatIsFreed) {
  const ChildResult result = RunProgram("fill");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
}

TEST(DebugTest, DoubleFreeShowsThreeStacks) {
  const ChildResult result = RunProgram("twice");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "double free at 0x")) << result.err;
  EXPECT_NE(result.err.find("  block of 48 bytes at 0x"), std::string::npos);
  ExpectCalls(result.err, ", made by:", "make_block", "main");
  ExpectCalls(result.err, "  freed by:", "free_block", "main");
  ExpectCalls(result.err, "  now:", "free_again", "main");
}

TEST(DebugTest, OverflowShowsWhoMadeTheBlock) {
  const ChildResult result = RunProgram("overflow");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "write behind the end of a block at 0x"));
  ExpectCalls(result.err, ", made by:", "make_block", "");
  ExpectCalls(result.err, "  now:", "free_block", "");
}

TEST(DebugTest, WriteAfterFreeIsSeenSoonAndShowsWhoFreed) {
  const ChildResult result = RunProgram("write");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "write to a free block at 0x")) << result.err;
  ExpectCalls(result.err, ", made by:", "make_block", "");
  ExpectCalls(result.err, "  freed by:", "free_block", "");
}

TEST(DebugTest, AddressInsideShowsTheBlockAroundIt) {
  const ChildResult result = RunProgram("inside");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "free of an address inside a block at 0x"));
  ExpectCalls(result.err, ", made by:", "make_block", "main");
  EXPECT_TRUE(StackBelow(result.err, "  freed by:").empty());
}

TEST(DebugTest, ForeignAddressShowsWhereItIsFreed) {
  const ChildResult result = RunProgram("foreign");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "free of a foreign address at 0x"));
  EXPECT_TRUE(StackBelow(result.err, ", made by:").empty());
  ExpectCalls(result.err, "  now:", "free_block", "main");
}

// Its start code would have the unwinder allocate: reports have no stacks.
TEST(DebugTest, AStaticProgramIsCheckedWithoutStacks) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/debug/debug_program_static"), "fill"};
  ChildResult result = RunChild(child);
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  child.argv[1] = "fork";
  result = RunChild(child);
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  child.argv[1] = "twice";
  result = RunChild(child);
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "double free at 0x")) << result.err;
  EXPECT_NE(result.err.find(", made by: (unknown)\n"), std::string::npos);
  EXPECT_NE(result.err.find("  freed by: (unknown)\n"), std::string::npos);
}

// Secure knows the pages of a large block, debug the bytes.
TEST(DebugTest, SizesAreExactAboveSixtyFourKilobytes) {
  const ChildResult result = RunProgram("size");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "free with a wrong size at 0x")) << result.err;
  ExpectCalls(result.err, ", made by:", "new_block", "");
}

TEST(DebugTest, NewAndMallocDoNotMix) {
  ChildResult result = RunProgram("delete_malloc");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result, "delete of what malloc has made at 0x"));
  ExpectCalls(result.err, ", made by:", "make_block", "main");
  EXPECT_TRUE(StackBelow(result.err, "  freed by:").empty());
  for (const char* what : {"free_new", "realloc_new"}) {
    result = RunProgram(what);
    EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
    EXPECT_TRUE(Says(result, "free of what new has made at 0x")) << result.err;
  }
  // It is freed all the same.
  result = RunProgram("delete_malloc", {{"MYONLY_ON_MISUSE", "report"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_TRUE(Says(result, "delete of what malloc has made at 0x"));
}

TEST(DebugTest, ProgramsThatDoNotMixThemAreNotReported) {
  const ChildResult result = RunProgram("families");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err, "");
}

TEST(DebugTest, DepthOfStacksIsAnOption) {
  const ChildResult one = RunProgram("twice", {{"MYONLY_STACK_DEPTH", "1"}});
  EXPECT_EQ(StackBelow(one.err, ", made by:").size(), 1U) << one.err;
  EXPECT_EQ(StackBelow(one.err, "  now:").size(), 1U);
  const ChildResult none = RunProgram("twice", {{"MYONLY_STACK_DEPTH", "0"}});
  EXPECT_EQ(none.signal, SIGABRT);
  EXPECT_NE(none.err.find(", made by: (unknown)\n"), std::string::npos);
}

TEST(DebugTest, LeaksAreToldByStackIfAskedFor) {
  EXPECT_EQ(RunProgram("leak").err, "");
  const ChildResult result = RunProgram("leak", {{"MYONLY_LEAKS", "10"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  // A few may still be named by what is left on the stack.
  EXPECT_GE(LostBlocks(result.err), 45) << result.err;
  EXPECT_LE(LostBlocks(result.err), 50) << result.err;
  EXPECT_TRUE(Says(result, "lost at exit: ")) << result.err;
  ExpectCalls(result.err, " blocks, made by:", "make_block", "");
}

// Sums of all first, then as many groups as are asked for.
TEST(DebugTest, LeaksAreToldTheLargestGroupFirst) {
  const std::regex kSum(
      "lost at exit: ([0-9]+) bytes in ([0-9]+) blocks, made by 2 stacks\n");
  const std::regex kGroup("  ([0-9]+) bytes in ([0-9]+) blocks, made by:\n");
  for (const size_t groups : {1, 2}) {
    const std::string text =
        RunProgram("groups", {{"MYONLY_LEAKS", std::to_string(groups)}}).err;
    std::smatch sum;
    ASSERT_TRUE(std::regex_search(text, sum, kSum)) << text;
    const std::sregex_iterator first(text.begin(), text.end(), kGroup);
    const std::vector<std::smatch> told(first, std::sregex_iterator());
    ASSERT_EQ(told.size(), groups) << text;
    EXPECT_EQ(std::stoi(told[0][1]), 5000 * std::stoi(told[0][2])) << text;
    if (groups == 1) continue;
    EXPECT_EQ(std::stoi(told[1][1]), 1000 * std::stoi(told[1][2])) << text;
    for (size_t i : {1, 2}) {
      EXPECT_EQ(std::stoi(sum[i]),
                std::stoi(told[0][i]) + std::stoi(told[1][i]))
          << text;
    }
  }
}

// By globals, by other blocks, by a thread that still runs, from inside.
TEST(DebugTest, WhatIsReachedIsNotLost) {
  const ChildResult result = RunProgram("keep", {{"MYONLY_LEAKS", "10"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err, "");
}

// The last bytes of a block are no word: what was read before is not behind it.
TEST(DebugTest, AnAddressOfWhichABlockHasHalfIsLost) {
  const ChildResult result = RunProgram("halves", {{"MYONLY_LEAKS", "10"}});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_GE(LostBlocks(result.err), 45) << result.err;
  EXPECT_LE(LostBlocks(result.err), 50) << result.err;
}

// They go with it; but where memory can't be searched, all is told.
TEST(DebugTest, WhatAnArenaHasIsNotLostAndWhatItHadIsGone) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/debug/arena_leaks_program")};
  child.environment = {{"MYONLY_LEAKS", "1000"}};
  ChildResult result = RunChild(child);
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err.find("4000"), std::string::npos) << result.err;
  child.argv.emplace_back("refused");
  result = RunChild(child);
  if (result.exit_code == 77) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_TRUE(Says(result, "not freed at exit: ")) << result.err;
  // Of 100 that it had before nothing is left.
  EXPECT_NE(result.err.find("  12000 bytes in 3 blocks, made by:"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(result.err.find("00 bytes in 9"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("00 bytes in 1"), std::string::npos) << result.err;
}

TEST(DebugTest, CallsInHandlersThatInterruptAreReported) {
  const ChildResult result = RunProgram("interrupt");
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(Says(result,
                   "call in a signal handler that interrupted the allocator "
                   "at 0x"))
      << result.err;
  ExpectCalls(result.err, "  now:", "make_block", "");
}

TEST(DebugTest, CallsInOtherHandlersAreNot) {
  const ChildResult result = RunProgram("raise");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err, "");
}

TEST(DebugTest, HandlersOfAbortMayAllocate) {
  const ChildResult result = RunProgram("abort");
  EXPECT_EQ(result.exit_code, 11) << result.Describe();
  EXPECT_TRUE(Says(result, "double free at 0x"));
  EXPECT_FALSE(Says(result, "call in a signal handler"));
}

TEST(DebugTest, ChildrenOfForkGoOn) {
  const ChildResult result = RunProgram("fork");
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
}

TEST(DebugTest, WhatWaitsServesRequestsWhereMemoryIsShort) {
  for (const char* what : {"short_malloc", "short_calloc", "short_aligned"}) {
    const ChildResult result = RunProgram(what);
    EXPECT_EQ(result.exit_code, 0) << what << " " << result.Describe();
    EXPECT_EQ(result.err, "") << what;
  }
}

TEST(DebugTest, NamesItself) {
  const ChildResult result = RunProgram("fork", {{"MYONLY_VERBOSE", "1"}});
  EXPECT_NE(result.err.find(", preset debug\n"), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace myonly::testing
