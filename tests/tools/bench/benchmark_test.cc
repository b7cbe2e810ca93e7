// The rounds and the figures, with runs that are only played.
#include "tools/bench/benchmark.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/tools/json_check.h"
#include "tools/bench/figures.h"

namespace myonly::bench {
namespace {

Plan SmallPlan() {
  Plan plan;
  plan.workloads = {{"one", "single", "the \"first\""}, {"two", "threads", ""}};
  plan.allocators = {{"glibc", "", {}}, {"myonly", "/m.so", {{"A", "b"}}}};
  plan.rounds = 3;
  return plan;
}

Run GoodRun(double wall_seconds) {
  Run run;
  run.figures.wall_seconds = wall_seconds;
  run.figures.cpu_seconds = wall_seconds;
  run.figures.peak_rss_bytes = 1 << 20;
  run.answer = "42";
  return run;
}

std::vector<Cell> Play(const Plan& plan, const RunOnce& run_once) {
  bool interrupted = true;
  std::vector<Cell> cells = RunAll(plan, run_once, false, &interrupted);
  EXPECT_FALSE(interrupted);
  return cells;
}

TEST(BenchmarkTest, RoundsInterleaveAndDropTheWarmUp) {
  std::string order;
  const auto cells = Play(
      SmallPlan(), [&](const Workload& workload, const Allocator& allocator) {
        if (workload.name == "one") order += allocator.name[0];
        return GoodRun(static_cast<double>(order.size()));
      });
  ASSERT_EQ(order.size(), 8u);
  for (size_t i = 0; i < order.size(); i += 2) {
    EXPECT_NE(order[i], order[i + 1]) << order;
  }
  ASSERT_EQ(cells.size(), 4u);
  ASSERT_EQ(cells[0].rounds.size(), 3u);
  // Not those of the warm-up.
  EXPECT_DOUBLE_EQ(cells[0].rounds[0].wall_seconds,
                   static_cast<double>(order.find('g', 2) + 1));
}

// What one leaves behind in the machine meets all others.
TEST(BenchmarkTest, NobodyAlwaysFollowsTheSameOne) {
  Plan plan = SmallPlan();
  plan.workloads.resize(1);
  plan.allocators = {{"a", "/a.so", {}},
                     {"b", "/b.so", {}},
                     {"c", "/c.so", {}},
                     {"d", "/d.so", {}}};
  plan.rounds = 9;
  std::map<std::string, std::set<std::string>> before;
  std::string last;
  Play(plan, [&](const Workload&, const Allocator& allocator) {
    before[allocator.name].insert(last);
    last = allocator.name;
    return GoodRun(1);
  });
  for (const auto& [name, others] : before)
    EXPECT_GE(others.size(), 3u) << name;
}

TEST(BenchmarkTest, CellThatFailsRunsNoMoreAndTheRestGoesOn) {
  int failed_runs = 0;
  const auto cells = Play(
      SmallPlan(), [&](const Workload& workload, const Allocator& allocator) {
        auto run = GoodRun(1);
        if (workload.name == "one" && allocator.name == "myonly") {
          ++failed_runs;
          run.status = "crashed: SIGSEGV";
        }
        return run;
      });
  EXPECT_EQ(failed_runs, 1);
  EXPECT_EQ(cells[1].status, "crashed: SIGSEGV");
  EXPECT_FALSE(cells[1].ok());
  EXPECT_TRUE(cells[0].ok() && cells[2].ok() && cells[3].ok());
}

TEST(BenchmarkTest, OtherAnswerIsWrong) {
  const auto cells =
      Play(SmallPlan(), [](const Workload&, const Allocator& allocator) {
        auto run = GoodRun(1);
        if (allocator.name == "myonly") run.answer = "43";
        return run;
      });
  EXPECT_TRUE(cells[0].ok());
  EXPECT_EQ(cells[1].status, "wrong answer");
}

TEST(BenchmarkTest, InterruptionEndsEverything) {
  int runs = 0;
  bool interrupted = false;
  const auto cells = RunAll(
      SmallPlan(),
      [&](const Workload&, const Allocator&) {
        auto run = GoodRun(1);
        run.interrupted = ++runs == 3;
        return run;
      },
      false, &interrupted);
  EXPECT_TRUE(interrupted);
  EXPECT_EQ(runs, 3);
  for (const Cell& cell : cells) EXPECT_TRUE(cell.skipped()) << cell.status;
}

TEST(BenchmarkTest, ComparisonTakesWhatBothHave) {
  const auto cells = Play(
      SmallPlan(), [](const Workload& workload, const Allocator& allocator) {
        auto run = GoodRun(allocator.name == "myonly" ? 1 : 2);
        if (workload.name == "two") run.status = "timed out after 1 s";
        return run;
      });
  const std::vector<Comparison> peers = CompareToPeers(cells, "myonly");
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_EQ(peers[0].peer, "glibc");
  EXPECT_EQ(peers[0].workloads, 1);
  EXPECT_DOUBLE_EQ(peers[0].time_ratio, 0.5);
  EXPECT_DOUBLE_EQ(peers[0].rss_ratio, 1);
}

TEST(BenchmarkTest, FiguresSayWhatFailedAndTheJsonIsValid) {
  const Plan plan = SmallPlan();
  const auto cells =
      Play(plan, [](const Workload& workload, const Allocator& allocator) {
        auto run = GoodRun(allocator.name == "myonly" ? 1 : 2);
        run.details = {{"malloc_p999_ns", 70}};
        if (workload.name == "two") run.status = "crashed: SIGABRT";
        return run;
      });
  const std::string text = TextFigures(plan, cells);
  EXPECT_NE(text.find("crashed: SIGABRT"), std::string::npos);
  EXPECT_NE(text.find("1000.0  0.50"), std::string::npos) << text;
  EXPECT_NE(text.find("malloc_p999_ns 70"), std::string::npos);
  Machine machine;
  machine.cpu = "a \"quoted\" \\ name";
  const std::string json = JsonFigures(machine, Options(), plan, cells);
  EXPECT_TRUE(testing::JsonCheck::IsJson(json)) << json;
  for (const char* part : {"\"version\": 1", "\"status\": \"crashed: SIGABRT\"",
                           "\"low_quartile\"", "\"time_ratio\": 0.5",
                           "\"A\": \"b\"", "\"malloc_p999_ns\": 70"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part;
  }
}

TEST(BenchmarkTest, DurationsAreReadable) {
  EXPECT_EQ(FormatDuration(0.4), "0 s");
  EXPECT_EQ(FormatDuration(59.4), "59 s");
  EXPECT_EQ(FormatDuration(60), "1 min 0 s");
  EXPECT_EQ(FormatDuration(185), "3 min 5 s");
}

}  // namespace
}  // namespace myonly::bench
