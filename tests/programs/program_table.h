// The real programs that are run on the allocator, and what they are given to
// do: one row each.
#ifndef MYONLY_TESTS_PROGRAMS_PROGRAM_TABLE_H_
#define MYONLY_TESTS_PROGRAMS_PROGRAM_TABLE_H_

#include <ostream>
#include <vector>

namespace myonly::testing {

struct Program {
  const char* name;  // Of the test.
  // Words: looked up in PATH; where one is missing the test is skipped.
  const char* needs;
  // A process whose statistics must be found, as proof that it ran on our
  // allocator: a regular expression for a part of its name.
  const char* proof;
  // One NAME=VALUE for the script's environment, or "".
  const char* environment;
  // For bash, in an empty directory. It must print the same on every run.
  const char* script;
};

// For GoogleTest's messages.
inline void PrintTo(const Program& program, std::ostream* out) {
  *out << program.name;
}

std::vector<Program> Programs();

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_PROGRAMS_PROGRAM_TABLE_H_
