// Figures of a benchmark as //tools/bench writes them, for tests of the page.
#ifndef MYONLY_TESTS_TOOLS_BENCH_REPORT_SAMPLE_FIGURES_H_
#define MYONLY_TESTS_TOOLS_BENCH_REPORT_SAMPLE_FIGURES_H_

#include <string>

namespace myonly::testing {

// Twelve workloads, the first called `first_workload`, with five allocators.
// Of the 60 cells 7 hold no figures: "larson" crashed with rpmalloc, "growth"
// timed out with jemalloc, and "sqlite3" was skipped.
std::string SampleFigures(const std::string& first_workload = "pairs");

inline constexpr int kSampleCells = 60;
inline constexpr int kSampleCellsWithFigures = 53;

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_TOOLS_BENCH_REPORT_SAMPLE_FIGURES_H_
