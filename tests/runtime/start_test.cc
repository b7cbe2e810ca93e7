// What the environment does at the start and at the end of a process. Each case
// runs in a child, which begins anew and whose stderr is looked at.
#include "allocator/runtime/start.h"

#include <regex.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/options/options.h"
#include "allocator/runtime/process_heap.h"
#include "gtest/gtest.h"
#include "tests/support/preset.h"
#include "tests/support/temp_directory.h"

namespace myonly::internal {
namespace {

// Starts, allocates, finishes and exits as a program does. Returns only in the
// parent of a death test.
[[noreturn]] void RunProgram(std::vector<std::string> variables,
                             bool is_process_allocator = true) {
  std::vector<const char*> environment;
  for (const std::string& variable : variables) {
    environment.push_back(variable.c_str());
  }
  environment.push_back(nullptr);
  Start(environment.data(), "1.2.3", is_process_allocator);
  // What a program does with its environment later must not matter.
  for (std::string& variable : variables) variable.assign(variable.size(), '#');
  ProcessHeap::Allocate(1000);
  ProcessHeap::Free(ProcessHeap::Allocate(50));
  Finish();
  _exit(0);
}

void ExpectStderr(const std::vector<std::string>& variables,
                  const std::string& regex) {
  EXPECT_EXIT(RunProgram(variables), ::testing::ExitedWithCode(0), regex);
}

// Runs the program and returns all it wrote to stderr.
std::string StderrOf(const std::vector<std::string>& variables) {
  const myonly::testing::TempDirectory directory;
  const std::string path = directory.path() + "/stderr";
  EXPECT_EXIT(
      {
        if (freopen(path.c_str(), "w", stderr) == nullptr) _exit(1);
        RunProgram(variables);
      },
      ::testing::ExitedWithCode(0), "");
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The parts of `text` that the groups of `form` match; empty if it does not
// match. POSIX's: gcc 12 warns of std::regex in builds with sanitizers.
std::vector<std::string> Match(const std::string& text, const char* form) {
  regex_t compiled;
  if (regcomp(&compiled, form, REG_EXTENDED) != 0) return {};
  regmatch_t groups[4];
  std::vector<std::string> parts;
  if (regexec(&compiled, text.c_str(), 4, groups, 0) == 0) {
    for (const regmatch_t& group : groups) {
      if (group.rm_so < 0) continue;
      parts.push_back(
          text.substr(static_cast<size_t>(group.rm_so),
                      static_cast<size_t>(group.rm_eo - group.rm_so)));
    }
  }
  regfree(&compiled);
  return parts;
}

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(StartDeathTest, SaysNothingUnlessAsked) {
  EXPECT_EQ(StderrOf({}), "");
  EXPECT_EQ(StderrOf({"PATH=/bin", "MYONLYX=1", "myonly_verbose=1"}), "");
  EXPECT_EQ(StderrOf({"MYONLY_VERBOSE=0", "MYONLY_HELP=0"}), "");
}

TEST(StartDeathTest, VerboseIsOneLine) {
  const std::string text = StderrOf({"MYONLY_VERBOSE=1"});
  EXPECT_FALSE(Match(text,
                     "^myonlymalloc: version 1\\.2\\.3 in process [0-9]+ "
                     "\\([^()\n]+\\), malloc is ours, "
                     "preset (release|fast|secure|debug)\n$")
                   .empty())
      << text;
}

TEST(StartDeathTest, VerboseSaysWhenMallocIsNotOurs) {
  EXPECT_EXIT(RunProgram({"MYONLY_VERBOSE=1"}, false),
              ::testing::ExitedWithCode(0), "malloc is not ours");
}

TEST(StartDeathTest, HelpListsEveryOptionOnce) {
  const std::string text = StderrOf({"MYONLY_HELP=1"});
  std::vector<std::string> names;
  VisitOptions(
      [](void* list, const char* name, const char*, const char*, const char*) {
        static_cast<std::vector<std::string>*>(list)->push_back(name);
      },
      &names);
  EXPECT_GE(names.size(), 5U);
  for (const std::string& name : names) {
    const std::string entry = "  " + name + " (";
    const size_t at = text.find(entry);
    ASSERT_NE(at, std::string::npos) << name << " in:\n" << text;
    EXPECT_EQ(text.find(entry, at + 1), std::string::npos) << name;
  }
}

TEST(StartDeathTest, WrongOptionsNameThemselvesAndAreIgnored) {
  ExpectStderr({"MYONLY_NO_SUCH_THING=1"},
               "myonlymalloc: MYONLY_NO_SUCH_THING");
  ExpectStderr({"MYONLY_VERBOSE=yes"}, "myonlymalloc: MYONLY_VERBOSE");
  ExpectStderr({"MYONLY_HUGE_CACHE=12Q"}, "myonlymalloc: MYONLY_HUGE_CACHE");
  ExpectStderr({"MYONLY_STATS_FILE="}, "myonlymalloc: MYONLY_STATS_FILE");
  // The good ones beside it count.
  ExpectStderr({"MYONLY_NONSENSE=1", "MYONLY_VERBOSE=1"}, "malloc is ours");
}

TEST(StartDeathTest, WhatMisuseDoesHasTwoNames) {
  EXPECT_EQ(StderrOf({"MYONLY_ON_MISUSE=abort"}), "");
  EXPECT_EQ(StderrOf({"MYONLY_ON_MISUSE=report"}), "");
  EXPECT_EQ(StderrOf({"MYONLY_ON_MISUSE=ignore"}),
            "myonlymalloc: MYONLY_ON_MISUSE=ignore is neither abort nor "
            "report, ignored; MYONLY_HELP=1 lists the options\n");
}

// Ends well if the second free has not ended the process.
[[noreturn]] void FreeTwice(const char* variable) {
  const char* const environment[] = {variable, nullptr};
  Start(environment, "1.2.3", true);
  void* ptr = ProcessHeap::Allocate(70000);
  ProcessHeap::Free(ptr);
  ProcessHeap::Free(ptr);
  _exit(0);
}

TEST(StartDeathTest, MisuseEndsTheProcessUnlessItIsToBeReported) {
  EXPECT_EXIT(FreeTwice("MYONLY_ON_MISUSE=abort"),
              ::testing::KilledBySignal(SIGABRT), "double free at 0x");
  EXPECT_EXIT(FreeTwice("MYONLY_ON_MISUSE=report"),
              ::testing::ExitedWithCode(0), "double free at 0x");
}

[[noreturn]] void ExitWithMappingsKept() {
  const char* const environment[] = {"MYONLY_HUGE_CACHE=0", nullptr};
  Start(environment, "1.2.3", true);
  ProcessHeap::Free(ProcessHeap::Allocate(size_t{12} << 20));
  _exit(process_globals.huge.cached_bytes() == 0 ? 0 : 1);
}

// 0 if of 8 MiB that were freed long ago about `bytes` are kept.
[[noreturn]] void ExitWithPagesKept(const char* variable, size_t bytes) {
  const char* const environment[] = {variable, nullptr};
  Start(environment, "1.2.3", true);
  std::vector<void*> blocks(64);
  for (void*& ptr : blocks) ptr = ProcessHeap::Allocate(size_t{128} << 10);
  for (void* ptr : blocks) ProcessHeap::Free(ptr);
  const uint64_t now_ms = CoarseMs();
  for (uint64_t i = 1; i < 1000; ++i) {
    process_globals.runs.PurgeWithTime(now_ms + i * 100);
  }
  const size_t kept = process_globals.runs.dirty_bytes();
  fprintf(stderr, "%zu bytes are kept\n", kept);
  _exit(kept <= bytes && bytes - kept <= bytes / 4 ? 0 : 1);
}

TEST(StartDeathTest, SizesReachTheHeap) {
  EXPECT_EXIT(ExitWithMappingsKept(), ::testing::ExitedWithCode(0), "");
  if (kIsSecure) GTEST_SKIP() << "freed pages of large blocks are not kept";
  EXPECT_EXIT(ExitWithPagesKept("MYONLY_DIRTY_FLOOR=4M", size_t{4} << 20),
              ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(ExitWithPagesKept("MYONLY_DIRTY_FLOOR=0", 0),
              ::testing::ExitedWithCode(0), "");
}

[[noreturn]] void ExitWithBlockOfNoBytes(const char* variable, bool faults) {
  const char* const environment[] = {variable, nullptr};
  Start(environment, "1.2.3", true);
  const void* ptr = ProcessHeap::Allocate(0);
  _exit(ptr != nullptr && (ProcessHeap::UsableSize(ptr) == 0) == faults ? 0
                                                                        : 1);
}

TEST(StartDeathTest, WhetherBlocksOfNoBytesFaultReachesTheHeap) {
  if (!kChecksObjects) GTEST_SKIP() << "in fast they never do";
  EXPECT_EXIT(ExitWithBlockOfNoBytes("MYONLY_ZERO_SIZE_FAULTS=1", true),
              ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(ExitWithBlockOfNoBytes("MYONLY_ZERO_SIZE_FAULTS=0", false),
              ::testing::ExitedWithCode(0), "");
}

TEST(StartDeathTest, EachProcessAppendsOneLineOfStatistics) {
  const myonly::testing::TempDirectory directory;
  const std::string path = directory.path() + "/statistics";
  for (int i = 0; i < 3; ++i) ExpectStderr({"MYONLY_STATS_FILE=" + path}, "");
  const std::vector<std::string> lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 3U);
  const char* const form =
      "^myonly pid=[0-9]+ program=[^ ]+ allocations=2 frees=1 live_blocks=1 "
      "live_bytes=([0-9]+) reserved_bytes=([0-9]+) peak_live_bytes=([0-9]+)$";
  for (const std::string& line : lines) {
    const std::vector<std::string> parts = Match(line, form);
    ASSERT_EQ(parts.size(), 4U) << line;
    const size_t live = std::stoul(parts[1]);
    EXPECT_GE(live, 1000U);
    EXPECT_LT(live, 1100U);
    EXPECT_GE(std::stoul(parts[2]), live);
    EXPECT_GE(std::stoul(parts[3]), live);
  }
  EXPECT_NE(lines[0], lines[1]) << "each has its own process number";
}

TEST(StartDeathTest, AFileThatCannotBeWrittenIsNamed) {
  EXPECT_EQ(StderrOf({"MYONLY_STATS_FILE=/no/such/directory/file"}),
            "myonlymalloc: MYONLY_STATS_FILE=/no/such/directory/file names a "
            "file that can't be written: errno 2, statistics are lost\n");
  const myonly::testing::TempDirectory directory;
  const std::string pipe = directory.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  ExpectStderr({"MYONLY_STATS_FILE=" + pipe},
               "/pipe names a file that can't be written: errno 6, ");
  ExpectStderr({"MYONLY_STATS_FILE=/" + std::string(2000, 'a')},
               "myonlymalloc: MYONLY_STATS_FILE is too long");
}

TEST(StartDeathTest, AFullDiskIsTold) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(StderrOf({"MYONLY_STATS_FILE=/dev/full"}),
            "myonlymalloc: MYONLY_STATS_FILE=/dev/full names a file that can't "
            "be written: errno 28, statistics are lost\n");
}

[[noreturn]] void RunProgramWithShortFiles(const std::string& path) {
  constexpr rlim_t kMost = 4096;
  std::ofstream(path) << std::string(kMost - 10, 'x');
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {kMost, kMost};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
  RunProgram({"MYONLY_STATS_FILE=" + path});
}

TEST(StartDeathTest, AFileThatHasRoomForAPartOfTheLineIsTold) {
  const myonly::testing::TempDirectory directory;
  const std::string path = directory.path() + "/statistics";
  EXPECT_EXIT(RunProgramWithShortFiles(path), ::testing::ExitedWithCode(0),
              "/statistics names a file that can't be written: errno 27, ");
  const std::vector<std::string> lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].substr(4086), "myonly pid");
}

TEST(StartDeathTest, TooLargeSizesAreNamed) {
  if (!kIsSecure) GTEST_SKIP() << "what they are of is in secure and debug";
  const std::string end = "; MYONLY_HELP=1 lists the options\n";
  EXPECT_EQ(StderrOf({"MYONLY_SAMPLE_SLOTS=4097"}),
            "myonlymalloc: MYONLY_SAMPLE_SLOTS is more than 4096: 4096 are "
            "taken" +
                end);
  ExpectStderr({"MYONLY_SAMPLE_SLOTS=4096", "MYONLY_STACK_DEPTH=64"}, "");
  if (!myonly::testing::kIsDebug) return;
  EXPECT_EQ(
      StderrOf({"MYONLY_STACK_DEPTH=65"}),
      "myonlymalloc: MYONLY_STACK_DEPTH is more than 64: 64 are taken" + end);
}

}  // namespace
}  // namespace myonly::internal
