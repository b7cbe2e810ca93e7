// The figures as text and as JSON.
#ifndef MYONLY_TOOLS_BENCH_FIGURES_H_
#define MYONLY_TOOLS_BENCH_FIGURES_H_

#include <string>
#include <vector>

#include "tools/bench/benchmark.h"
#include "tools/bench/cell.h"
#include "tools/bench/machine.h"
#include "tools/bench/options.h"

namespace myonly::bench {

// A table for each of wall time, CPU time, peak RSS and page faults: medians,
// ratios to the first allocator's, spread; then what workloads tell of
// themselves, and the geometric means of myonly against each peer.
std::string TextFigures(const Plan& plan, const std::vector<Cell>& cells);

// One object: version 1, machine, options, allocators, workloads, cells,
// summary. docs/benchmarking.md describes it.
std::string JsonFigures(const Machine& machine, const Options& options,
                        const Plan& plan, const std::vector<Cell>& cells);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_FIGURES_H_
