// The command line of //tools/bench.
#ifndef MYONLY_TOOLS_BENCH_OPTIONS_H_
#define MYONLY_TOOLS_BENCH_OPTIONS_H_

#include <string>
#include <utility>
#include <vector>

namespace myonly::bench {

// What --allocator says, or glibc and myonly, which always take part.
struct Allocator {
  std::string name;
  std::string path;  // to preload; empty: the system's malloc
  std::vector<std::pair<std::string, std::string>> environment;
};

struct Options {
  std::vector<Allocator> allocators;   // the peers, as they were given
  std::vector<std::string> workloads;  // patterns; empty: all
  int rounds = 5;
  double scale = 1;
  double timeout_seconds = 60;
  std::string json_file;
  std::string report_file;
  bool list = false;
  bool help = false;
};

// Stores what `arguments` (without the program's name) say. Returns what is
// wrong, naming the option, or "".
std::string ParseOptions(const std::vector<std::string>& arguments,
                         Options* options);

// Parses NAME or NAME=PATH, each with ",VARIABLE=VALUE" any number of times. A
// comma that no variable's name follows belongs to the value. False if `text`
// is neither.
bool ParseAllocator(const std::string& text, Allocator* allocator);

std::string Usage();

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_OPTIONS_H_
