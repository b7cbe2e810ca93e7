// Runs a program once and measures it.
#ifndef MYONLY_TOOLS_MYONLY_LAUNCH_H_
#define MYONLY_TOOLS_MYONLY_LAUNCH_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace myonly::tools {

struct LaunchSpec {
  std::string path;                    // the file to execute
  std::vector<std::string> arguments;  // with the program's name as the first
  // Set in the program's environment, on top of the runner's own.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string folder;  // to run in; empty: the runner's
  // Input that every run sees alike: a regular file from its start, else
  // nothing (a pipe would be eaten by the first). Without it: the runner's.
  bool fresh_input = false;
  bool quiet = false;          // what it writes is thrown away
  bool one_processor = false;  // it stays on the quickest one
  std::string error_path;   // standard error goes to this file; empty: nowhere
                            // special
  std::string output_path;  // the same for standard output
  // After so long the program is killed, with the processes it started. It has
  // a process group of its own then, and what is left of it goes when it ends.
  // 0: never.
  double timeout_seconds = 0;
};

struct LaunchResult {
  int error = 0;      // errno of the start if it failed; then nothing below
  int exit_code = 0;  // 128 + signal for a death by a signal
  int signal = 0;
  bool timed_out = false;
  // SIGINT or SIGTERM reached the runner while a program with a time-out ran,
  // and was passed on.
  bool interrupted = false;
  double wall_seconds = 0;
  double user_seconds = 0;
  double system_seconds = 0;
  int64_t peak_rss_kib = 0;  // of the largest process of the tree
  int64_t page_faults = 0;   // of all processes, as are the times
};

// SIGINT and SIGQUIT from the terminal reach the program, which decides what
// they mean; SIGTERM and SIGHUP are passed on to it. One launch at a time.
LaunchResult Launch(const LaunchSpec& spec);

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_LAUNCH_H_
