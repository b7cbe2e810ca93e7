// Statistics as text, JSON and for Prometheus, of one arena and of all; every
// arena in turn.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/child_process.h"
#include "tests/support/json.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr char kBadName[] = "a\"b\\c\nd\te\xff";
constexpr char kBadNameQuoted[] = R"("a\"b\\c\nd)"
                                  "\xEF\xBF\xBD"
                                  "e\xEF\xBF\xBD\"";

void Append(void* ctx, const char* text, size_t length) {
  static_cast<std::string*>(ctx)->append(text, length);
}

std::string AllStats(int32_t format) {
  std::string text;
  EXPECT_EQ(myonly_stats_write(format, Append, &text), MYONLY_OK);
  return text;
}

std::string StatsOf(myonly_arena* arena, int32_t format) {
  std::string text;
  EXPECT_EQ(myonly_arena_stats_write(arena, format, Append, &text), MYONLY_OK);
  return text;
}

std::string IdOf(const myonly_arena* arena) {
  char id[32];
  snprintf(id, sizeof(id), arena == nullptr ? "0x0" : "%p",
           static_cast<const void*>(arena));
  return id;
}

// What the struct says, under the names of the reports.
std::map<std::string, uint64_t> Fields(myonly_arena* arena) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  return {
      {"live_blocks", stats.live_blocks},
      {"live_bytes", stats.live_bytes},
      {"peak_live_bytes", stats.peak_live_bytes},
      {"allocations_total", stats.allocations},
      {"frees_total", stats.frees},
      {"reserved_bytes", stats.reserved_bytes},
      {"region_bytes", stats.region_bytes},
      {"large_bytes", stats.large_bytes},
      {"huge_bytes", stats.huge_bytes},
      {"free_block_bytes", stats.free_block_bytes},
      {"limit_bytes", stats.limit_bytes},
      {"resets_total", stats.resets},
      {"charged_bytes", stats.charged_bytes},
      {"soft_limit_bytes", stats.soft_limit_bytes},
      {"children", stats.children},
      {"refusals_total", stats.refusals},
  };
}

// Two arenas of one name, one of them below the other, with blocks and figures
// of every kind.
class StatsReportTest : public ::testing::Test {
 public:
  void SetUp() override {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.name = kBadName;
    options.limit_bytes = 64 * kMiB;
    options.soft_limit_bytes = 32 * kMiB;
    options.on_pressure = [](void*, myonly_arena*, int32_t) {};
    ASSERT_EQ(myonly_arena_create(&options, &parent_), MYONLY_OK);
    options.parent = parent_;
    ASSERT_EQ(myonly_arena_create(&options, &child_), MYONLY_OK);
    ASSERT_EQ(myonly_arena_reset(child_), MYONLY_OK);
    for (size_t bytes : {size_t{10}, size_t{100000}, 9 * kMiB}) {
      ASSERT_NE(myonly_arena_alloc(child_, bytes), nullptr);
      ASSERT_NE(myonly_arena_alloc(parent_, bytes), nullptr);
    }
    myonly_free(myonly_arena_alloc(child_, 5000));
    EXPECT_EQ(myonly_arena_alloc(child_, 60 * kMiB), nullptr);
  }
  void TearDown() override {
    EXPECT_EQ(myonly_arena_destroy(child_, 0), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(parent_, 0), MYONLY_OK);
  }

  myonly_arena* parent_ = nullptr;
  myonly_arena* child_ = nullptr;
};

TEST_F(StatsReportTest, CountsWhatALimitRefuses) {
  EXPECT_EQ(Fields(child_)["refusals_total"], 1u);
  EXPECT_EQ(Fields(parent_)["refusals_total"], 0u);
  EXPECT_EQ(myonly_arena_alloc(child_, 60 * kMiB), nullptr);
  EXPECT_EQ(Fields(child_)["refusals_total"], 2u);
  EXPECT_EQ(Fields(parent_)["children"], 1u);
  EXPECT_EQ(Fields(parent_)["soft_limit_bytes"], 32 * kMiB);
}

TEST_F(StatsReportTest, JsonOfOneArenaHasTheFieldsOfTheStruct) {
  const Json all = Json::Parse(StatsOf(child_, MYONLY_FORMAT_JSON));
  EXPECT_EQ(all["id"].text, IdOf(child_));
  EXPECT_EQ(all["arena"].text,
            "a\"b\\c\nd\xEF\xBF\xBD"
            "e\xEF\xBF\xBD");
  EXPECT_EQ(all["huge_blocks"].number, 1u);
  for (const auto& [name, value] : Fields(child_)) {
    EXPECT_EQ(all[name].number, value) << name;
  }
}

TEST_F(StatsReportTest, JsonOfAllHasEachArenaOnce) {
  const Json all = Json::Parse(AllStats(MYONLY_FORMAT_JSON));
  EXPECT_EQ(all["version"].text, myonly_version_str());
  EXPECT_EQ(all["process"]["arenas"].number, 2u);
  std::set<std::string> ids;
  uint64_t live_bytes = 0;
  for (const Json& arena : all["arenas"].items) {
    EXPECT_TRUE(ids.insert(arena["id"].text).second);
    live_bytes += arena["live_bytes"].number;
  }
  EXPECT_EQ(ids, (std::set<std::string>{"0x0", IdOf(parent_), IdOf(child_)}));
  EXPECT_EQ(all["process"]["live_bytes"].number, live_bytes);
}

TEST_F(StatsReportTest, TextNamesEachFigure) {
  const std::string text = AllStats(MYONLY_FORMAT_TEXT);
  EXPECT_NE(text.find("arena \"process\" 0x0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("arena " + std::string(kBadNameQuoted) + " " +
                      IdOf(child_) + "\n"),
            std::string::npos)
      << text;
  const std::string one = StatsOf(child_, MYONLY_FORMAT_TEXT);
  for (const auto& [name, value] : Fields(child_)) {
    EXPECT_NE(one.find(" " + std::to_string(value) + "  " + name + "\n"),
              std::string::npos)
        << name << one;
  }
}

// Family -> labels -> value. A family has its HELP and TYPE before it and
// stands together; labels come once.
using Samples = std::map<std::string, std::map<std::string, std::string>>;

Samples ParseExposition(const std::string& text) {
  Samples samples;
  std::istringstream lines(text);
  std::string family;
  bool has_type = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# HELP ", 0) == 0) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_GT(line.size(), 8 + family.size()) << line;
      EXPECT_TRUE(samples.emplace(family, Samples::mapped_type()).second)
          << line;
      has_type = false;
    } else if (line.rfind("# TYPE " + family + " ", 0) == 0) {
      const bool is_counter =
          family.size() > 6 && family.substr(family.size() - 6) == "_total";
      EXPECT_EQ(line.substr(8 + family.size()),
                is_counter ? "counter" : "gauge");
      has_type = true;
    } else {
      EXPECT_TRUE(has_type) << line;
      EXPECT_EQ(line.rfind(family, 0), 0u) << line;
      const size_t space = line.rfind(' ');
      const std::string labels =
          line.substr(family.size(), space - family.size());
      EXPECT_TRUE(
          samples[family].emplace(labels, line.substr(space + 1)).second)
          << line;
    }
  }
  return samples;
}

TEST_F(StatsReportTest, PrometheusHasAFamilyForEachFigure) {
  const Samples samples = ParseExposition(AllStats(MYONLY_FORMAT_PROMETHEUS));
  EXPECT_EQ(samples.at("myonly_process_arenas").at(""), "2");
  for (myonly_arena* arena : {parent_, child_}) {
    const std::string labels = "{arena=" + std::string(kBadNameQuoted) +
                               ",id=\"" + IdOf(arena) + "\"}";
    for (const auto& [name, value] : Fields(arena)) {
      EXPECT_EQ(samples.at("myonly_arena_" + name).at(labels),
                std::to_string(value))
          << name;
    }
  }
  EXPECT_EQ(samples.at("myonly_arena_live_bytes").size(), 3u);
  EXPECT_EQ(samples.at("myonly_arena_live_bytes")
                .count("{arena=\"process\",id=\"0x0\"}"),
            1u);
}

TEST_F(StatsReportTest, PrometheusOfOneArenaIsAPartOfThat) {
  const Samples all = ParseExposition(AllStats(MYONLY_FORMAT_PROMETHEUS));
  const Samples one =
      ParseExposition(StatsOf(child_, MYONLY_FORMAT_PROMETHEUS));
  EXPECT_GE(one.size(), 16u);
  for (const auto& [family, values] : one) {
    ASSERT_EQ(values.size(), 1u);
    EXPECT_EQ(all.at(family).at(values.begin()->first), values.begin()->second);
  }
}

TEST_F(StatsReportTest, PromtoolFindsNothingWrong) {
  const ChildResult version = RunChild({{"promtool", "--version"}, {}, ""});
  if (!version.Succeeded()) GTEST_SKIP() << "promtool is not installed";
  const TempDirectory directory;
  const auto check = [&directory](const std::string& text) {
    std::ofstream(directory.path() + "/metrics") << text;
    return RunChild({{"sh", "-c", "promtool check metrics <metrics"},
                     {},
                     directory.path()});
  };
  for (const std::string& text : {AllStats(MYONLY_FORMAT_PROMETHEUS),
                                  StatsOf(child_, MYONLY_FORMAT_PROMETHEUS),
                                  StatsOf(nullptr, MYONLY_FORMAT_PROMETHEUS)}) {
    const ChildResult result = check(text);
    EXPECT_TRUE(result.Succeeded()) << result.Describe() << text;
    EXPECT_EQ(result.out + result.err, "") << text;
  }
  EXPECT_FALSE(check("myonly_bytes{arena=\"a\nb\"} 1\n").Succeeded());
}

TEST_F(StatsReportTest, SaysWhatIsWrongWithACall) {
  std::string text;
  EXPECT_EQ(myonly_stats_write(0, nullptr, nullptr), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_stats_write(-1, Append, &text), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_stats_write(3, Append, &text), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_stats_write(child_, 3, Append, &text),
            MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_stats_write(child_, 0, nullptr, nullptr),
            MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_for_each(nullptr, nullptr), MYONLY_ERR_INVALID);
  myonly_arena* arena;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  ASSERT_EQ(myonly_arena_destroy(arena, 0), MYONLY_OK);
  EXPECT_EQ(myonly_arena_stats_write(arena, 0, Append, &text),
            MYONLY_ERR_STALE);
  EXPECT_EQ(text, "");
}

std::set<myonly_arena*> AllArenas() {
  std::set<myonly_arena*> arenas;
  const auto visit = [](void* ctx, myonly_arena* arena) {
    EXPECT_TRUE(
        static_cast<std::set<myonly_arena*>*>(ctx)->insert(arena).second);
    return 0;
  };
  EXPECT_EQ(myonly_arena_for_each(visit, &arenas), MYONLY_OK);
  return arenas;
}

TEST_F(StatsReportTest, VisitsEachArenaUntilToldToStop) {
  EXPECT_EQ(AllArenas(), (std::set<myonly_arena*>{parent_, child_}));
  int visits = 0;
  EXPECT_EQ(
      myonly_arena_for_each(
          [](void* ctx, myonly_arena*) { return ++*static_cast<int*>(ctx); },
          &visits),
      MYONLY_OK);
  EXPECT_EQ(visits, 1);
}

// What is free, and no arena's, is the process's.
TEST(ProcessStatsTest, TellsWhatIsKeptForLater) {
  const auto figure = [](const char* name) {
    const Json all = Json::Parse(AllStats(MYONLY_FORMAT_JSON));
    return all["process"][name].number;
  };
  if (internal::kIsSecure) GTEST_SKIP() << "secure keeps no freed pages";
  myonly_arena* arena;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  void* run = myonly_arena_alloc(arena, 2 * kMiB);
  ASSERT_NE(run, nullptr);
  ASSERT_NE(myonly_arena_alloc(arena, 9 * kMiB), nullptr);
  memset(run, 1, 2 * kMiB);
  myonly_purge(0);
  EXPECT_LT(figure("free_resident_bytes"), 2 * kMiB);
  EXPECT_EQ(figure("kept_mapping_bytes"), 0u);
  ASSERT_EQ(myonly_arena_destroy(arena, 0), MYONLY_OK);
  EXPECT_GE(figure("free_resident_bytes"), 2 * kMiB);
  EXPECT_GE(figure("kept_mapping_bytes"), 9 * kMiB);
}

// A visitor may destroy what it is shown.
TEST(AllArenasTest, CanBeDestroyedOneByOne) {
  for (int i = 0; i < 100; ++i) {
    myonly_arena* arena;
    ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  }
  EXPECT_EQ(AllArenas().size(), 100u);
  EXPECT_EQ(myonly_arena_for_each(
                [](void*, myonly_arena* arena) {
                  EXPECT_EQ(myonly_arena_destroy(arena, 0), MYONLY_OK);
                  return 0;
                },
                nullptr),
            MYONLY_OK);
  EXPECT_TRUE(AllArenas().empty());
}

// Arenas come and go, one in memory that is unmapped right after; what is there
// throughout is in every report.
TEST_F(StatsReportTest, ReportsWhileArenasComeAndGo) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&stop, i] {
      while (!stop) {
        myonly_arena* arena;
        std::vector<char> buffer(i == 0 ? 100000 : 0);
        const myonly_status status =
            buffer.empty() ? myonly_arena_create(nullptr, &arena)
                           : myonly_arena_create_in(
                                 buffer.data(), buffer.size(), nullptr, &arena);
        ASSERT_EQ(status, MYONLY_OK);
        for (int block = 0; block < 300; ++block) {
          myonly_arena_alloc(arena, 50);
        }
        ASSERT_EQ(myonly_arena_destroy(arena, 0), MYONLY_OK);
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    const Json json = Json::Parse(AllStats(MYONLY_FORMAT_JSON));
    EXPECT_GE(json["arenas"].items.size(), 3u);
    const Samples samples = ParseExposition(AllStats(MYONLY_FORMAT_PROMETHEUS));
    for (const auto& [family, values] : samples) {
      if (family.rfind("myonly_arena_", 0) == 0) {
        EXPECT_GE(values.size(), 3u) << family;
      }
    }
    const std::set<myonly_arena*> arenas = AllArenas();
    EXPECT_EQ(arenas.count(parent_) + arenas.count(child_), 2u);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace myonly::testing
