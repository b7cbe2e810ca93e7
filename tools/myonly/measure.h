// Runs a program on one or several allocators in turn and keeps what each run
// cost.
#ifndef MYONLY_TOOLS_MYONLY_MEASURE_H_
#define MYONLY_TOOLS_MYONLY_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/myonly/launch.h"
#include "tools/myonly/stats_file.h"

namespace myonly::tools {

// An allocator and the runs on it.
struct Side {
  std::string name;
  std::string library;  // to preload; empty: the system's malloc
  std::vector<LaunchResult> runs;
  // Of the last run: every process that says it used libmyonlymalloc.
  std::vector<ProcessStats> processes;
};

struct MeasureSpec {
  std::string path;
  std::vector<std::string> arguments;  // with the program's name as the first
  std::string folder;                  // to run in; empty: the runner's
  int rounds = 1;
  // Runs once before the rounds, and only that run's output is seen. Without
  // it, the (only) run has the runner's input and output.
  bool warm_up = false;
  // Shows what it is doing on standard error.
  bool progress = false;
};

struct Measurement {
  std::vector<std::string> arguments;
  int rounds = 0;
  std::vector<Side> sides;
  // What the library says of itself when it is loaded (MYONLY_VERBOSE), told by
  // a process of its own, since it would disturb the program's output.
  std::string greeting;
  std::string error;  // empty if all runs started
  int exit_code = 0;  // the first run's on the first side
};

// Runs `spec` on all `sides`, changing their order from round to round so that
// none has an advantage. A death by a signal ends it early.
Measurement Measure(const MeasureSpec& spec, std::vector<Side> sides);

// The value of LD_PRELOAD that loads `library`, and after it what the user
// preloads already. It is a list, split at spaces and colons: a library with
// one in its path is named by the symbolic link `link`, made here.
std::string PreloadList(const std::string& library, const std::string& link);

// The middle one of the values; 0 if there is none.
double Median(std::vector<double> values);

// What glibc calls itself, or "system".
std::string SystemAllocatorName();

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_MEASURE_H_
