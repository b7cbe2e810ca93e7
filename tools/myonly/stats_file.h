// Reads what libmyonlymalloc writes to MYONLY_STATS_FILE: one line for each
// process at its exit.
//
//   myonly pid=7 program=sort allocations=120 frees=119 ... peak_live_bytes=9
#ifndef MYONLY_TOOLS_MYONLY_STATS_FILE_H_
#define MYONLY_TOOLS_MYONLY_STATS_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace myonly::tools {

struct ProcessStats {
  int64_t pid = 0;
  std::string program;
  int64_t allocations = 0;
  int64_t frees = 0;
  int64_t peak_live_bytes = 0;
};

// Stores the line's values in `*stats`. False, and nothing stored, if the line
// isn't one of the library's. Unknown names are skipped: a newer library may
// tell more.
bool ParseStatsLine(const std::string& line, ProcessStats* stats);

// All lines of the library in the file; none if there is no file.
std::vector<ProcessStats> ReadStatsFile(const std::string& path);

// The sum of `allocations`.
int64_t TotalAllocations(const std::vector<ProcessStats>& processes);

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_STATS_FILE_H_
