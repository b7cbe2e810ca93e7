// The tool as a whole, and its workloads, at a tiny scale.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/preset.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"
#include "tests/tools/json_check.h"
#include "tools/bench/catalog.h"

namespace myonly::testing {
namespace {

constexpr char kTinyScale[] = "0.005";

ChildResult Bench(std::vector<std::string> arguments,
                  const std::string& folder = "") {
  ChildOptions options;
  options.argv = {RunfilePath("tools/bench/bench")};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  if (!folder.empty()) {
    options.environment = {{"BUILD_WORKING_DIRECTORY", folder}};
  }
  // Each malloc and free takes a stack there: five programs a minute.
  if (kIsDebug) options.timeout_seconds = 240;
  return RunChild(options);
}

// A tiny run of one workload on glibc, myonly and a library that is broken in
// the way `mode` says.
ChildResult BenchBroken(const std::string& mode) {
  return Bench({"--workload=batch-lifo", "--rounds=1", "--scale", kTinyScale,
                "--timeout=3",
                "--allocator=broken=" +
                    RunfilePath("tests/tools/bench/libbroken_malloc.so") +
                    ",MYONLY_TEST_BROKEN=" + mode});
}

ChildResult RunWorkload(const std::string& name, const std::string& library) {
  ChildOptions options;
  options.argv = {RunfilePath("tools/bench/workloads/workload"), name,
                  "--scale", kTinyScale};
  if (!library.empty()) options.environment = {{"LD_PRELOAD", library}};
  return RunChild(options);
}

std::string LineOf(const std::string& text, const std::string& start) {
  const size_t at = text.find(start);
  return at == std::string::npos ? ""
                                 : text.substr(at, text.find('\n', at) - at);
}

TEST(BenchTest, EveryWorkloadHasTheSameAnswerOnBothAllocators) {
  const std::string library = RunfilePath("capi/libmyonlymalloc.so");
  for (const bench::Workload& workload : bench::AllWorkloads()) {
    if (workload.kind == "program") continue;
    const ChildResult system = RunWorkload(workload.name, "");
    const ChildResult ours = RunWorkload(workload.name, library);
    ASSERT_TRUE(system.Succeeded()) << workload.name << system.Describe();
    ASSERT_TRUE(ours.Succeeded()) << workload.name << ours.Describe();
    EXPECT_EQ(ours.err, "") << workload.name;
    for (const char* start : {"operations=", "checksum="}) {
      EXPECT_NE(LineOf(ours.out, start), "") << workload.name;
      EXPECT_EQ(LineOf(ours.out, start), LineOf(system.out, start))
          << workload.name;
    }
  }
}

TEST(BenchTest, LatencyTellsItsPercentiles) {
  const ChildResult result = RunWorkload("latency", "");
  for (const char* name : {"malloc_p999_ns", "free_p999_ns", "clock_ns"}) {
    EXPECT_NE(LineOf(result.out, std::string("detail ") + name), "") << name;
  }
}

TEST(BenchTest, WhatIsLeftIsTold) {
  const std::pair<const char*, const char*> details[] = {
      {"freed-at-random", "left_over_floor"},
      {"freed-in-bulk", "left_over_floor"},
      {"survivors", "left_over_live"},
      {"idle-threads", "twenty_sizes_kib"},
      {"thread-starts", "malloc_more_us"},
      {"freed-elsewhere", "elsewhere_mib"},
      {"live-objects", "live_10000_touch_ns"},
  };
  for (const auto& [workload, detail] : details) {
    const ChildResult result = RunWorkload(workload, "");
    EXPECT_NE(LineOf(result.out, std::string("detail ") + detail), "")
        << workload;
  }
}

TEST(BenchTest, WrongWorkloadArgumentsAreRefused) {
  EXPECT_EQ(RunWorkload("nope", "").exit_code, 2);
}

TEST(BenchTest, WritesATableAndJsonInTheUsersFolder) {
  const TempDirectory folder;
  const ChildResult result =
      Bench({"--workload=pairs,trees", "--rounds=2", "--scale", kTinyScale,
             "--json", "figures.json"},
            folder.path());
  ASSERT_TRUE(result.Succeeded()) << result.Describe();
  for (const char* word : {"glibc", "myonly", "pairs", "trees", "peak RSS"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word;
  }
  EXPECT_NE(result.err.find(" left"), std::string::npos) << result.err;
  std::ifstream file(folder.path() + "/figures.json");
  const std::string json = {std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(JsonCheck::IsJson(json)) << json;
  EXPECT_NE(json.find("\"workload\": \"trees\""), std::string::npos);
}

TEST(BenchTest, CrashIsACellAndTheRestGoesOn) {
  for (const auto& [mode, status] : {std::pair("abort", "crashed: SIGABRT"),
                                     std::pair("crash", "crashed: SIGSEGV"),
                                     std::pair("write", "wrong answer")}) {
    const ChildResult result = BenchBroken(mode);
    EXPECT_EQ(result.exit_code, 1) << result.Describe();
    EXPECT_NE(result.out.find(status), std::string::npos)
        << mode << result.out << result.err;
    EXPECT_EQ(result.err.find("on myonly"), std::string::npos) << result.err;
  }
}

TEST(BenchTest, TimeOutIsACell) {
  const ChildResult result = BenchBroken("sleep");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.out.find("timed out after 3 s"), std::string::npos)
      << result.out;
}

TEST(BenchTest, LibraryThatIsNoneIsACell) {
  const ChildResult result = Bench(
      {"--workload=pairs", "--rounds=1", "--scale", kTinyScale,
       "--allocator=text=" + RunfilePath("tools/bench/programs/words.py")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.out.find("can't be preloaded"), std::string::npos)
      << result.out;
}

TEST(BenchTest, WrongOptionsNameThemselvesAndExitWith2) {
  for (const std::string wrong :
       {"--frob", "--rounds=0", "--workload=nope", "--allocator=nope",
        "--allocator=a=/no/such.so", "--json=/no/such/folder/file"}) {
    const ChildResult result = Bench({wrong});
    EXPECT_EQ(result.exit_code, 2) << wrong;
    EXPECT_NE(result.err.find(wrong), std::string::npos) << result.err;
  }
}

TEST(BenchTest, HelpAndListEndWell) {
  const ChildResult help = Bench({"--help"});
  EXPECT_TRUE(help.Succeeded());
  EXPECT_NE(help.out.find("--allocator"), std::string::npos);
  const ChildResult list = Bench({"--list"});
  EXPECT_TRUE(list.Succeeded());
  EXPECT_EQ(list.out, bench::ListWorkloads());
}

TEST(BenchTest, ProgramsRunOrSayWhatToInstall) {
  const ChildResult result =
      Bench({"--workload=python3,perl,sqlite3,redis,compiler", "--rounds=1",
             "--scale", kTinyScale});
  EXPECT_TRUE(result.Succeeded()) << result.out << result.err;
  size_t skipped = 0;
  for (size_t at = 0;
       (at = result.err.find("skipped:", at)) != std::string::npos; ++at) {
    ++skipped;
    const std::string line = LineOf(result.err.substr(at), "skipped:");
    EXPECT_NE(line.find("tools/install_test_programs"), std::string::npos)
        << line;
  }
  if (skipped > 0) GTEST_SKIP() << result.err;
}

}  // namespace
}  // namespace myonly::testing
