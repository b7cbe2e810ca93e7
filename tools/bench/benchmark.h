// All runs: workload by workload, in interleaved rounds.
#ifndef MYONLY_TOOLS_BENCH_BENCHMARK_H_
#define MYONLY_TOOLS_BENCH_BENCHMARK_H_

#include <functional>
#include <string>
#include <vector>

#include "tools/bench/catalog.h"
#include "tools/bench/cell.h"
#include "tools/bench/options.h"

namespace myonly::bench {

using RunOnce = std::function<Run(const Workload&, const Allocator&)>;

struct Plan {
  std::vector<Workload> workloads;
  std::vector<Allocator> allocators;
  int rounds = 1;
};

// In each round the order is another one, at random: what ran before leaves the
// machine warm or cold, so that nobody may always follow the same one. The
// first round is a warm-up and doesn't count. A cell whose run isn't well runs
// no more; a run whose answer differs from that of the first allocator that was
// well is a wrong answer.
//
// Progress with the time left goes to standard error: on one line if
// `terminal`, else a line for each workload. `*interrupted` says that the user
// ended it; the result then is what was there.
std::vector<Cell> RunAll(const Plan& plan, const RunOnce& run_once,
                         bool terminal, bool* interrupted);

// "40 s" or "3 min 5 s".
std::string FormatDuration(double seconds);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_BENCHMARK_H_
