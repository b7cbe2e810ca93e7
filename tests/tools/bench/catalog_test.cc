#include "tools/bench/catalog.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace myonly::bench {
namespace {

std::vector<std::string> Names(const std::vector<std::string>& patterns) {
  std::vector<Workload> selected;
  EXPECT_EQ(SelectWorkloads(patterns, &selected), "");
  std::vector<std::string> names;
  for (const Workload& workload : selected) names.push_back(workload.name);
  return names;
}

TEST(CatalogTest, NamesAreUniqueAndKindsKnown) {
  const std::set<std::string> kinds = {"single", "threads", "arenas", "latency",
                                       "memory", "sizes",   "program"};
  std::set<std::string> names;
  std::set<std::string> seen;
  for (const Workload& workload : AllWorkloads()) {
    EXPECT_TRUE(names.insert(workload.name).second) << workload.name;
    EXPECT_FALSE(workload.description.empty()) << workload.name;
    seen.insert(workload.kind);
  }
  EXPECT_EQ(seen, kinds);
}

TEST(CatalogTest, NoPatternMeansAllWhoseTimeCounts) {
  std::vector<std::string> expected;
  for (const Workload& workload : AllWorkloads()) {
    const bool tells = workload.kind == "memory" || workload.kind == "sizes";
    if (!tells) expected.push_back(workload.name);
  }
  EXPECT_EQ(Names({}), expected);
  EXPECT_EQ(Names({"*"}).size(), AllWorkloads().size());
}

TEST(CatalogTest, PatternsSelectEachWorkloadOnceInItsOrder) {
  EXPECT_EQ(Names({"trees", "pairs", "tre*"}),
            (std::vector<std::string>{"pairs", "trees"}));
  EXPECT_EQ(Names({"replace-*"}).size(), 3u);
  EXPECT_EQ(Names({"batch-?ifo"}),
            (std::vector<std::string>{"batch-lifo", "batch-fifo"}));
}

TEST(CatalogTest, UnknownNameIsNamed) {
  std::vector<Workload> selected;
  const std::string wrong = SelectWorkloads({"pairs", "nope*"}, &selected);
  EXPECT_NE(wrong.find("nope*"), std::string::npos);
}

TEST(CatalogTest, ListNamesEveryWorkload) {
  for (const Workload& workload : AllWorkloads()) {
    EXPECT_NE(ListWorkloads().find(workload.name + " "), std::string::npos);
  }
}

}  // namespace
}  // namespace myonly::bench
