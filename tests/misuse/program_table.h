// The programs of tests/misuse/programs: what is expected of each, and what
// becomes of one on an allocator.
#ifndef MYONLY_TESTS_MISUSE_PROGRAM_TABLE_H_
#define MYONLY_TESTS_MISUSE_PROGRAM_TABLE_H_

#include <string>
#include <utility>
#include <vector>

namespace myonly::testing {

// A row of expected.txt: an outcome of harness.h for each preset, or several
// with | between them, or ANY.
struct ExpectedRow {
  std::string program;
  std::string release;
  std::string fast;
  std::string secure;
};

// All rows, in the file's order.
std::vector<ExpectedRow> ReadExpectedRows();

// `outcome` is one of those in `expected`.
bool IsExpected(const std::string& expected, const std::string& outcome);

// Two live blocks overlap, an address of the program's choice was handed out,
// or the allocator crashed or hung.
bool IsBad(const std::string& outcome);

struct Outcome {
  std::string word;  // of harness.h; or what went wrong with the program
  std::string line;  // what the allocator said, if anything
};

// Runs a program with this library preloaded, "": none. `is_cold`: without the
// requests by which most allocators get to their fast paths.
Outcome RunProgram(
    const std::string& program, const std::string& library, bool is_cold,
    const std::vector<std::pair<std::string, std::string>>& environment = {});

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_MISUSE_PROGRAM_TABLE_H_
