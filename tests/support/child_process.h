// Runs a program as a child and captures what it prints and how it ends.
//
// Tests of the override need it: a process that is aborted by its allocator
// can't be the test itself. The child gets no core file, /dev/null as standard
// input and a deadline, after which its whole process group is killed.
#ifndef MYONLY_TESTS_SUPPORT_CHILD_PROCESS_H_
#define MYONLY_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <string>
#include <utility>
#include <vector>

namespace myonly::testing {

struct ChildOptions {
  // argv[0] is looked up in PATH if it has no slash.
  std::vector<std::string> argv;
  // Set in the child's environment; the rest is inherited, except LD_PRELOAD
  // and MYONLY_*, which would leak the caller's allocator into the child; but
  // MYONLY_SAMPLE_RATE is.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string directory;  // Empty: the caller's.
  int timeout_seconds = 60;
};

struct ChildResult {
  int exit_code = -1;  // -1 unless it exited.
  int signal = 0;      // What ended it, 0 if it exited.
  bool timed_out = false;
  std::string out;
  std::string err;

  bool Succeeded() const { return exit_code == 0; }
  // One line for failure messages: how it ended and what it wrote to stderr.
  std::string Describe() const;
};

ChildResult RunChild(const ChildOptions& options);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_CHILD_PROCESS_H_
