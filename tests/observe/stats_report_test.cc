// Statistics made by hand, as text, as JSON and for Prometheus: each figure
// under its name, all arenas and all sums.
#include "allocator/observe/stats_report.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "allocator/arena/arena_options.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// Figures of which no two are the same: `first`, `first` + 1, and so on.
ArenaFigures Made(const char* name, uintptr_t handle, uint64_t first) {
  ArenaFigures made = {};
  made.handle = handle;
  strcpy(made.stats.name, name);
  ArenaStats& stats = made.stats;
  uint64_t* const in_order[] = {&stats.live_blocks,     &stats.live_bytes,
                                &stats.peak_live_bytes, &stats.allocations,
                                &stats.frees,           &stats.region_bytes,
                                &stats.large_bytes,     &stats.huge_bytes,
                                &stats.huge_blocks,     &stats.free_block_bytes,
                                &stats.limit_bytes,     &stats.resets,
                                &stats.charged_bytes,   &stats.soft_limit_bytes,
                                &stats.children,        &stats.refusals};
  for (uint64_t* figure : in_order) *figure = first++;
  return made;
}

class StatsReportTest : public ::testing::Test {
 protected:
  StatsReportTest() : arenas_{Made("", 0, 100), Made("a\"b", 0x1230, 1000)} {}

  std::string Written(StatsFormat format, bool of_process) {
    process_ = {2, 30, 40, 0, 0, 0};
    const StatsSource source = {
        [](void* ctx, size_t* position, ArenaFigures* out) {
          const auto& arenas = *static_cast<std::vector<ArenaFigures>*>(ctx);
          if (*position == arenas.size()) return false;
          *out = arenas[(*position)++];
          return true;
        },
        &arenas_, of_process ? &process_ : nullptr, "1.2"};
    std::string text;
    {
      ReportWriter out(
          [](void* ctx, const char* piece, size_t length) {
            static_cast<std::string*>(ctx)->append(piece, length);
          },
          &text);
      WriteStats(format, source, &out);
    }
    return text;
  }

  std::vector<ArenaFigures> arenas_;
  ProcessFigures process_ = {};
};

TEST_F(StatsReportTest, TextHasALineForEachFigure) {
  EXPECT_EQ(Written(StatsFormat::kText, true),
            "myonlymalloc 1.2: process\n"
            "              2  arenas\n"
            "             30  free_resident_bytes\n"
            "             40  kept_mapping_bytes\n"
            "           1100  live_blocks\n"
            "           1102  live_bytes\n"
            "           3336  reserved_bytes\n"
            "arena \"\" 0x0\n"
            "            318  reserved_bytes\n"
            "            100  live_blocks\n"
            "            101  live_bytes\n"
            "            102  peak_live_bytes\n"
            "            103  allocations_total\n"
            "            104  frees_total\n"
            "            105  region_bytes\n"
            "            106  large_bytes\n"
            "            107  huge_bytes\n"
            "            108  huge_blocks\n"
            "            109  free_block_bytes\n"
            "            110  limit_bytes\n"
            "            111  resets_total\n"
            "            112  charged_bytes\n"
            "            113  soft_limit_bytes\n"
            "            114  children\n"
            "            115  refusals_total\n"
            "arena \"a\\\"b\" 0x1230\n"
            "           3018  reserved_bytes\n"
            "           1000  live_blocks\n"
            "           1001  live_bytes\n"
            "           1002  peak_live_bytes\n"
            "           1003  allocations_total\n"
            "           1004  frees_total\n"
            "           1005  region_bytes\n"
            "           1006  large_bytes\n"
            "           1007  huge_bytes\n"
            "           1008  huge_blocks\n"
            "           1009  free_block_bytes\n"
            "           1010  limit_bytes\n"
            "           1011  resets_total\n"
            "           1012  charged_bytes\n"
            "           1013  soft_limit_bytes\n"
            "           1014  children\n"
            "           1015  refusals_total\n");
}

constexpr char kFirstInJson[] =
    "{\"arena\":\"\",\"id\":\"0x0\",\"reserved_bytes\":318,\"live_blocks\":100,"
    "\"live_bytes\":101,\"peak_live_bytes\":102,\"allocations_total\":103,"
    "\"frees_total\":104,\"region_bytes\":105,\"large_bytes\":106,"
    "\"huge_bytes\":107,\"huge_blocks\":108,\"free_block_bytes\":109,"
    "\"limit_bytes\":110,\"resets_total\":111,\"charged_bytes\":112,"
    "\"soft_limit_bytes\":113,\"children\":114,\"refusals_total\":115}";

TEST_F(StatsReportTest, JsonIsOneObjectWithAnArrayOfArenas) {
  EXPECT_EQ(
      Written(StatsFormat::kJson, true),
      std::string("{\"version\":\"1.2\",\"process\":{\"arenas\":2,"
                  "\"free_resident_bytes\":30,\"kept_mapping_bytes\":40,"
                  "\"live_blocks\":1100,\"live_bytes\":1102,"
                  "\"reserved_bytes\":3336},\"arenas\":[") +
          kFirstInJson +
          ",{\"arena\":\"a\\\"b\",\"id\":\"0x1230\",\"reserved_bytes\":3018,"
          "\"live_blocks\":1000,\"live_bytes\":1001,\"peak_live_bytes\":1002,"
          "\"allocations_total\":1003,\"frees_total\":1004,"
          "\"region_bytes\":1005,\"large_bytes\":1006,\"huge_bytes\":1007,"
          "\"huge_blocks\":1008,\"free_block_bytes\":1009,"
          "\"limit_bytes\":1010,\"resets_total\":1011,"
          "\"charged_bytes\":1012,\"soft_limit_bytes\":1013,"
          "\"children\":1014,\"refusals_total\":1015}]}\n");
}

TEST_F(StatsReportTest, PrometheusHasAFamilyForEachFigure) {
  const std::string text = Written(StatsFormat::kPrometheus, true);
  EXPECT_EQ(text.find("# HELP myonly_build_info The version of the library.\n"
                      "# TYPE myonly_build_info gauge\n"
                      "myonly_build_info{version=\"1.2\"} 1\n"
                      "# HELP myonly_process_arenas Arenas of the program.\n"
                      "# TYPE myonly_process_arenas gauge\n"
                      "myonly_process_arenas 2\n"),
            0U)
      << text;
  for (const char* family :
       {"# TYPE myonly_process_reserved_bytes gauge\n"
        "myonly_process_reserved_bytes 3336\n"
        "# HELP myonly_arena_reserved_bytes Pages it holds.\n"
        "# TYPE myonly_arena_reserved_bytes gauge\n"
        "myonly_arena_reserved_bytes{arena=\"\",id=\"0x0\"} 318\n"
        "myonly_arena_reserved_bytes{arena=\"a\\\"b\",id=\"0x1230\"} 3018\n"
        "# HELP myonly_arena_live_blocks Blocks that are allocated and not "
        "freed.\n",
        "# HELP myonly_arena_allocations_total Blocks allocated.\n"
        "# TYPE myonly_arena_allocations_total counter\n"
        "myonly_arena_allocations_total{arena=\"\",id=\"0x0\"} 103\n",
        "# TYPE myonly_arena_children gauge\n"
        "myonly_arena_children{arena=\"\",id=\"0x0\"} 114\n"}) {
    EXPECT_NE(text.find(family), std::string::npos) << family << text;
  }
  const std::string end =
      "# TYPE myonly_arena_refusals_total counter\n"
      "myonly_arena_refusals_total{arena=\"\",id=\"0x0\"} 115\n"
      "myonly_arena_refusals_total{arena=\"a\\\"b\",id=\"0x1230\"} 1015\n";
  EXPECT_EQ(text.substr(text.size() - end.size()), end);
}

// Of one arena, say: what is the process's is not told, nor added up.
TEST_F(StatsReportTest, WithoutAProcessThereAreArenasOnly) {
  arenas_.pop_back();
  EXPECT_EQ(Written(StatsFormat::kJson, false),
            std::string(kFirstInJson) + "\n");
  EXPECT_EQ(Written(StatsFormat::kText, false).find("arena \"\" 0x0\n"), 0U);
  EXPECT_EQ(Written(StatsFormat::kPrometheus, false)
                .find("# HELP myonly_arena_reserved_bytes "),
            0U);
  EXPECT_EQ(process_.live_blocks, 0U);
}

}  // namespace
}  // namespace myonly::internal
