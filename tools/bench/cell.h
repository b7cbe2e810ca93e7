// One workload on one allocator: all its runs.
#ifndef MYONLY_TOOLS_BENCH_CELL_H_
#define MYONLY_TOOLS_BENCH_CELL_H_

#include <string>
#include <utility>
#include <vector>

namespace myonly::bench {

// What a run cost.
struct Figures {
  double wall_seconds = 0;
  double user_seconds = 0;
  double system_seconds = 0;
  double cpu_seconds = 0;
  double peak_rss_bytes = 0;
  double page_faults = 0;
  double operations = 0;  // 0 where a workload doesn't count them
};

// All members of Figures with their names.
struct Measure {
  const char* name;
  double Figures::*member;
};
inline constexpr Measure kMeasures[] = {
    {"wall_seconds", &Figures::wall_seconds},
    {"user_seconds", &Figures::user_seconds},
    {"system_seconds", &Figures::system_seconds},
    {"cpu_seconds", &Figures::cpu_seconds},
    {"peak_rss_bytes", &Figures::peak_rss_bytes},
    {"page_faults", &Figures::page_faults},
    {"operations", &Figures::operations},
};

// Named values that a workload prints of itself.
using Details = std::vector<std::pair<std::string, double>>;

inline constexpr char kOk[] = "ok";

struct Run {
  // kOk, "crashed: SIGSEGV", "timed out after 60 s", "wrong answer", "failed:
  // exit code 3" or "skipped: why".
  std::string status = kOk;
  bool interrupted = false;  // by the user: nothing more should run
  Figures figures;
  Details details;
  std::string answer;  // the same on every allocator
};

struct Cell {
  std::string workload;
  std::string allocator;
  std::string status = kOk;
  std::vector<Figures> rounds;
  std::vector<Details> details;  // of the same rounds

  bool ok() const { return status == kOk && !rounds.empty(); }
  bool skipped() const { return status.compare(0, 8, "skipped:") == 0; }
};

// Member by member; `share` as Quantile's.
Figures QuantileOf(const Cell& cell, double share);

// The medians of the details, in the order they were printed.
Details MedianDetails(const Cell& cell);

// Geometric means over the workloads that both allocators ran.
struct Comparison {
  std::string peer;
  double time_ratio = 0;
  double cpu_ratio = 0;
  double rss_ratio = 0;
  int workloads = 0;
};

// `name` over each of the other allocators that `cells` have, in their order.
std::vector<Comparison> CompareToPeers(const std::vector<Cell>& cells,
                                       const std::string& name);

// The cell, or null.
const Cell* FindCell(const std::vector<Cell>& cells,
                     const std::string& workload, const std::string& allocator);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_CELL_H_
