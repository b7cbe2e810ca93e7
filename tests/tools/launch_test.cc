#include "tools/myonly/launch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/temp_directory.h"

namespace myonly::tools {
namespace {

LaunchSpec Shell(const std::string& script) {
  LaunchSpec spec;
  spec.path = "/bin/sh";
  spec.arguments = {"sh", "-c", script};
  return spec;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LaunchTest, ExitCodeIsTheProgramsOwn) {
  for (const int code : {0, 1, 42, 255}) {
    const LaunchResult result = Launch(Shell("exit " + std::to_string(code)));
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.exit_code, code);
    EXPECT_EQ(result.signal, 0);
  }
}

TEST(LaunchTest, DeathByASignalIsToldApart) {
  const LaunchResult result = Launch(Shell("kill -KILL $$"));
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
  const LaunchResult exited = Launch(Shell("exit 137"));
  EXPECT_EQ(exited.signal, 0);
}

TEST(LaunchTest, TimeOutKillsTheProgramAndWhatItStarted) {
  testing::TempDirectory folder;
  LaunchSpec spec = Shell("(sleep 2; echo late >late) & sleep 30");
  spec.folder = folder.path();
  spec.timeout_seconds = 0.2;
  const LaunchResult result = Launch(spec);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_GE(result.wall_seconds, 0.2);
  EXPECT_LT(result.wall_seconds, 10);
  usleep(2500000);
  EXPECT_EQ(ReadFile(folder.path() + "/late"), "");
}

TEST(LaunchTest, OutputInTimeGoesToItsFile) {
  testing::TempDirectory folder;
  LaunchSpec spec = Shell("echo answer; exit 4");
  spec.output_path = folder.path() + "/out";
  spec.timeout_seconds = 30;
  const LaunchResult result = Launch(spec);
  EXPECT_FALSE(result.timed_out);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(ReadFile(spec.output_path), "answer\n");
}

TEST(LaunchTest, FailedStartHasItsErrno) {
  LaunchSpec spec;
  spec.path = "/no/such/program";
  spec.arguments = {"program"};
  EXPECT_EQ(Launch(spec).error, ENOENT);
  spec = Shell("exit 0");
  spec.folder = "/no/such/folder";
  EXPECT_EQ(Launch(spec).error, ENOENT);
}

TEST(LaunchTest, EnvironmentFolderAndErrorPathReachTheProgram) {
  testing::TempDirectory folder;
  LaunchSpec spec = Shell("echo \"$MYONLY_TEST_VALUE\" >out; echo bad >&2");
  spec.environment = {{"MYONLY_TEST_VALUE", "a value"}};
  spec.folder = folder.path();
  spec.error_path = folder.path() + "/err";
  EXPECT_EQ(Launch(spec).exit_code, 0);
  EXPECT_EQ(ReadFile(folder.path() + "/out"), "a value\n");
  EXPECT_EQ(ReadFile(folder.path() + "/err"), "bad\n");
}

TEST(LaunchTest, AProgramStaysOnOneProcessorIfItShall) {
  testing::TempDirectory folder;
  LaunchSpec spec = Shell("nproc");
  spec.output_path = folder.path() + "/out";
  const auto processors = [&] {
    EXPECT_EQ(Launch(spec).exit_code, 0);
    return ReadFile(spec.output_path);
  };
  const std::string all = processors();
  spec.one_processor = true;
  EXPECT_EQ(processors(), "1\n");
  spec.one_processor = false;
  EXPECT_EQ(processors(), all);
}

TEST(LaunchTest, WallAndCpuTimeAreNotMixedUp) {
  const LaunchResult asleep = Launch(Shell("sleep 0.2"));
  EXPECT_GE(asleep.wall_seconds, 0.2);
  EXPECT_LT(asleep.user_seconds + asleep.system_seconds, 0.15);
}

TEST(LaunchTest, MemoryOfTheLargestDescendantCounts) {
  const LaunchResult small = Launch(Shell("true"));
  // tail keeps its last line in memory: 32 MiB of it.
  const LaunchResult large =
      Launch(Shell("sh -c 'head -c 33554432 /dev/zero | tail -n 1' | wc -c "
                   ">/dev/null"));
  EXPECT_GT(small.peak_rss_kib, 0);
  EXPECT_GT(large.peak_rss_kib, 32 * 1024);
  EXPECT_LT(small.peak_rss_kib, large.peak_rss_kib - 16 * 1024);
  EXPECT_GT(large.page_faults, small.page_faults);
}

}  // namespace
}  // namespace myonly::tools
