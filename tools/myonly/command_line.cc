#include "tools/myonly/command_line.h"

#include <string>

namespace myonly::tools {

SplitArguments Split(int argc, const char* const* argv) {
  SplitArguments split;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (split.has_separator) {
      split.program.push_back(argument);
    } else if (argument == "--") {
      split.has_separator = true;
    } else {
      split.own.push_back(argument);
    }
  }
  return split;
}

bool ParseAllocator(const std::string& text, std::string* name,
                    std::string* path) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return false;
  }
  *name = text.substr(0, equals);
  *path = text.substr(equals + 1);
  return true;
}

std::string Usage() {
  return R"(Runs any program on MyAndOnlyMalloc and says what it cost.

  myonly run [FLAGS] -- PROGRAM ARGS...
      Runs the program once on libmyonlymalloc.so. Its input, output and exit
      code are untouched; the report follows on standard error.
  myonly compare [FLAGS] -- PROGRAM ARGS...
      Runs it on libmyonlymalloc.so and on the system's malloc in turn: a
      warm-up, whose output you see, then some rounds, whose output is thrown
      away. Prints the medians side by side. Its input must be a file
      (< FILE); anything else is replaced by an empty one.

The report has wall and CPU time, the peak RSS of the largest process, and page
faults and allocations of all processes; and the proof that malloc was ours:
what each process told when it ended.

Flags:
  --rounds=N              rounds of compare (5); makes a comparison of run, too
  --json                  the report as JSON
  --output=FILE           the report goes to FILE, not to standard error
  --library=PATH          another libmyonlymalloc.so than the one built here
  --allocator=NAME=PATH   compares with one more library; several: with commas
  --help, --version

Exit code: the program's, 128+N if signal N killed it; else 127 if there is no
such program, 126 if it can't be executed, 125 if the runner can't do its work
(the program is static or setuid, the library isn't there, wrong flags).
)";
}

}  // namespace myonly::tools
