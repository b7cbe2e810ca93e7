#include "tools/myonly/stats_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_directory.h"

namespace myonly::tools {
namespace {

constexpr const char* kLine =
    "myonly pid=42 program=sort allocations=120 frees=119 live_blocks=1 "
    "live_bytes=16 reserved_bytes=32768 peak_live_bytes=4096";

TEST(StatsFileTest, ReadsAllFields) {
  ProcessStats stats;
  ASSERT_TRUE(ParseStatsLine(kLine, &stats));
  EXPECT_EQ(stats.pid, 42);
  EXPECT_EQ(stats.program, "sort");
  EXPECT_EQ(stats.allocations, 120);
  EXPECT_EQ(stats.frees, 119);
  EXPECT_EQ(stats.peak_live_bytes, 4096);
}

TEST(StatsFileTest, ProgramNameMayHaveSpaces) {
  ProcessStats stats;
  ASSERT_TRUE(
      ParseStatsLine("myonly pid=1 program=my own tool allocations=2 "
                     "frees=1 peak_live_bytes=3",
                     &stats));
  EXPECT_EQ(stats.program, "my own tool");
}

TEST(StatsFileTest, UnknownFieldsAreSkipped) {
  ProcessStats stats;
  EXPECT_TRUE(ParseStatsLine(std::string(kLine) + " threads=4", &stats));
  EXPECT_EQ(stats.peak_live_bytes, 4096);
}

TEST(StatsFileTest, OtherLinesAreRefusedAndStoreNothing) {
  const char* const lines[] = {
      "",
      "myonly",
      "myonly pid=1",
      "other pid=1 program=a allocations=1 frees=1 peak_live_bytes=1",
      "myonly pid=x program=a allocations=1 frees=1 peak_live_bytes=1",
      "myonly pid=1 program=a allocations=-1 frees=1 peak_live_bytes=1",
      "myonly pid=1 program=a allocations=1e9 frees=1 peak_live_bytes=1",
      "myonly pid=1 program=a allocations= frees=1 peak_live_bytes=1",
  };
  for (const char* line : lines) {
    ProcessStats stats;
    EXPECT_FALSE(ParseStatsLine(line, &stats)) << line;
    EXPECT_EQ(stats.pid, 0) << line;
  }
}

TEST(StatsFileTest, FileGivesItsGoodLinesAndTheirSum) {
  testing::TempDirectory folder;
  const std::string path = folder.path() + "/stats";
  std::ofstream(path) << kLine << "\nnoise\n" << kLine << "\n";
  const std::vector<ProcessStats> processes = ReadStatsFile(path);
  EXPECT_EQ(processes.size(), 2U);
  EXPECT_EQ(TotalAllocations(processes), 240);
}

TEST(StatsFileTest, MissingFileIsEmpty) {
  EXPECT_TRUE(ReadStatsFile("/no/such/file").empty());
  EXPECT_EQ(TotalAllocations({}), 0);
}

}  // namespace
}  // namespace myonly::tools
