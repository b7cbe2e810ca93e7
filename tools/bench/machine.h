// Where and when it was measured.
#ifndef MYONLY_TOOLS_BENCH_MACHINE_H_
#define MYONLY_TOOLS_BENCH_MACHINE_H_

#include <string>

namespace myonly::bench {

struct Machine {
  std::string cpu;
  long cores = 0;
  std::string kernel;
  double memory_bytes = 0;
  std::string date;                    // UTC, as 2026-01-31T12:00:00Z
  std::string transparent_huge_pages;  // always, madvise or never
};

Machine DescribeMachine();

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_MACHINE_H_
