// How the real programs are started.
#ifndef MYONLY_TOOLS_BENCH_PROGRAMS_H_
#define MYONLY_TOOLS_BENCH_PROGRAMS_H_

#include <string>

#include "tools/myonly/launch.h"

namespace myonly::bench {

// Stores how the program behind `workload` is started. Returns why it can't be
// ("python3 is not installed ..."), or "".
std::string PrepareProgram(const std::string& workload, double scale,
                           tools::LaunchSpec* launch);

// Looks `name` up in the system's folders and then in PATH; stores its path.
// Returns why it can't be used, or "".
std::string FindInstalled(const std::string& name, std::string* path);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_PROGRAMS_H_
