#include "tools/myonly/report.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/tools/json_check.h"
#include "tools/myonly/measure.h"

namespace myonly::tools {
namespace {

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

LaunchResult Run(double wall_seconds, int64_t peak_rss_kib) {
  LaunchResult run;
  run.wall_seconds = wall_seconds;
  run.user_seconds = 0.5;
  run.system_seconds = 0.25;
  run.peak_rss_kib = peak_rss_kib;
  run.page_faults = 12345;
  return run;
}

Measurement TwoSides() {
  ProcessStats process;
  process.pid = 77;
  process.program = "sort";
  process.allocations = 1234567;
  process.frees = 1234560;
  Measurement measurement;
  measurement.arguments = {"sort", "a\"b"};
  measurement.rounds = 3;
  measurement.greeting = "told by the library";
  measurement.sides = {
      {"ours", "/lib.so", {Run(9, 1), Run(3, 2048), Run(1, 4096)}, {process}},
      {"theirs", "", {Run(2, 1024), Run(2, 1024), Run(2, 1024)}, {}}};
  return measurement;
}

TEST(ReportTest, TableHasMediansAndRatios) {
  const std::string text = TextReport(TwoSides());
  EXPECT_TRUE(Contains(text, "sort a\"b\n")) << text;
  EXPECT_TRUE(Contains(text, "medians of 3 rounds")) << text;
  EXPECT_TRUE(Contains(text, "3.000 s         2.000 s     1.50")) << text;
  EXPECT_TRUE(Contains(text, "2.0 MiB         1.0 MiB     2.00")) << text;
  EXPECT_TRUE(Contains(text, "0.750 s")) << text;
  EXPECT_TRUE(Contains(text, "12,345")) << text;
  EXPECT_TRUE(Contains(text, "1,234,567     not counted")) << text;
}

TEST(ReportTest, ProofNamesWhatTheProcessesTold) {
  const std::string text = TextReport(TwoSides());
  EXPECT_TRUE(Contains(text, "told by the library")) << text;
  EXPECT_TRUE(Contains(text, "malloc was ours in 1 process:")) << text;
  EXPECT_TRUE(Contains(text, "sort (pid 77)")) << text;
  EXPECT_FALSE(Contains(text, "NO PROOF")) << text;
}

TEST(ReportTest, SilenceOfAllProcessesIsNoProof) {
  Measurement measurement = TwoSides();
  measurement.sides.front().processes.clear();
  const std::string text = TextReport(measurement);
  EXPECT_TRUE(Contains(text, "NO PROOF")) << text;
  EXPECT_FALSE(Contains(text, "malloc was ours in")) << text;
}

TEST(ReportTest, ManyProcessesAreCutAndCounted) {
  Measurement measurement = TwoSides();
  measurement.sides.front().processes.resize(10);
  EXPECT_TRUE(Contains(TextReport(measurement), "and 4 more"));
}

TEST(ReportTest, OneSideHasNoRatio) {
  Measurement measurement = TwoSides();
  measurement.sides.pop_back();
  EXPECT_FALSE(Contains(TextReport(measurement), "ratio"));
}

TEST(ReportTest, DifferentExitCodesAreNoticed) {
  Measurement measurement = TwoSides();
  EXPECT_FALSE(Contains(TextReport(measurement), "DIFFER"));
  measurement.sides.back().runs.front().exit_code = 1;
  EXPECT_TRUE(Contains(TextReport(measurement), "DIFFER"));
}

TEST(ReportTest, JsonHasTheSameValues) {
  const std::string json = JsonReport(TwoSides());
  EXPECT_TRUE(Contains(json, "\"program\": [\"sort\", \"a\\\"b\"]")) << json;
  EXPECT_TRUE(Contains(json, "\"wall_seconds\": 3,")) << json;
  EXPECT_TRUE(Contains(json, "\"peak_rss_kib\": 2048,")) << json;
  EXPECT_TRUE(Contains(json, "\"allocations\": 1234567")) << json;
  EXPECT_TRUE(Contains(json, "\"allocations\": null")) << json;
  EXPECT_TRUE(Contains(json, "\"library\": null")) << json;
}

TEST(ReportTest, JsonIsWellFormed) {
  EXPECT_TRUE(testing::JsonCheck::IsJson(JsonReport(TwoSides())));
  Measurement nothing_ran = TwoSides();
  for (Side& side : nothing_ran.sides) side.runs.clear();
  nothing_ran.greeting = "a \"quoted\" word\n";
  EXPECT_TRUE(testing::JsonCheck::IsJson(JsonReport(nothing_ran)));
  // The check itself can fail.
  EXPECT_FALSE(testing::JsonCheck::IsJson(JsonReport(TwoSides()) + "}"));
  EXPECT_FALSE(testing::JsonCheck::IsJson("{\"a\": 1,}"));
  EXPECT_FALSE(testing::JsonCheck::IsJson("{\"a\": [1 2]}"));
}

TEST(ReportTest, SignalIsNamedWithItsAllocator) {
  Measurement measurement = TwoSides();
  EXPECT_EQ(SignalReport(measurement), "");
  measurement.sides.back().runs.back().signal = 11;
  const std::string text = SignalReport(measurement);
  EXPECT_TRUE(Contains(text, "sort was killed by signal 11")) << text;
  EXPECT_TRUE(Contains(text, "on theirs")) << text;
}

TEST(ReportTest, JsonStringEscapes) {
  EXPECT_EQ(JsonString("a\"b\\c\n\t\x01"),
            "\"a\\\"b\\\\c\\u000a\\u0009\\u0001\"");
}

TEST(ReportTest, DigitsAreGroupedByThree) {
  EXPECT_EQ(GroupDigits(0), "0");
  EXPECT_EQ(GroupDigits(999), "999");
  EXPECT_EQ(GroupDigits(1000), "1,000");
  EXPECT_EQ(GroupDigits(123456), "123,456");
  EXPECT_EQ(GroupDigits(1234567), "1,234,567");
  EXPECT_EQ(GroupDigits(-123456), "-123,456");
}

TEST(MedianTest, IsTheMiddleOrTheMeanOfTheTwoInTheMiddle) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({5}), 5);
  EXPECT_EQ(Median({9, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 9}), 3);
}

}  // namespace
}  // namespace myonly::tools
