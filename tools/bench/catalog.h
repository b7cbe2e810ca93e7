// What can be run.
#ifndef MYONLY_TOOLS_BENCH_CATALOG_H_
#define MYONLY_TOOLS_BENCH_CATALOG_H_

#include <string>
#include <vector>

namespace myonly::bench {

struct Workload {
  std::string name;
  std::string kind;  // as docs/benchmarking.md names them
  std::string description;
};

const std::vector<Workload>& AllWorkloads();

// Stores the workloads that any of `patterns` (as of a shell) names, in the
// catalog's order; all if there are no patterns. Returns what is wrong, or "".
std::string SelectWorkloads(const std::vector<std::string>& patterns,
                            std::vector<Workload>* selected);

// A line for each: name, kind, description.
std::string ListWorkloads();

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_CATALOG_H_
