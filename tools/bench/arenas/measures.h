// What arenas cost: one measure is one number, taken in a process of its own.
#ifndef MYONLY_TOOLS_BENCH_ARENAS_MEASURES_H_
#define MYONLY_TOOLS_BENCH_ARENAS_MEASURES_H_

#include <string>
#include <vector>

#include "tools/bench/arenas/heap_functions.h"

namespace myonly::bench {

struct Measure {
  const char* name;  // of the row, and in the JSON
  const char* unit;  // "us", "ms", "KB" or "ns"
  const char* title;
  // What it is divided by for the bar, another measure's name; NULL: nothing.
  const char* over;
  double bar;          // 0: none
  bool one_processor;  // it has one thread, which stays where it is
  // `scale` 1 takes a tenth of a second or so. Negative: it failed.
  double (*run)(const HeapFunctions& functions, double scale);
};

const std::vector<Measure>& AllMeasures();

// Runs it in a child process that loads `library`. Negative: it failed, and
// `*error` says why.
double RunMeasure(const Measure& measure, const std::string& library,
                  double scale, std::string* error);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_ARENAS_MEASURES_H_
