// Runs a workload on an allocator, once.
#ifndef MYONLY_TOOLS_BENCH_RUN_H_
#define MYONLY_TOOLS_BENCH_RUN_H_

#include <string>

#include "tools/bench/catalog.h"
#include "tools/bench/cell.h"
#include "tools/bench/options.h"

namespace myonly::bench {

class Runner {
 public:
  // `driver` is the program with our workloads, `folder` one for files.
  Runner(std::string driver, std::string folder, const Options& options)
      : driver_(std::move(driver)),
        folder_(std::move(folder)),
        options_(options) {}

  Run RunOnce(const Workload& workload, const Allocator& allocator) const;

 private:
  std::string driver_;
  std::string folder_;
  const Options& options_;
};

// "SIGSEGV" for 11.
std::string SignalName(int signal);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_RUN_H_
