#include "tests/misuse/program_table.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {

std::vector<ExpectedRow> ReadExpectedRows() {
  std::ifstream file(RunfilePath("tests/misuse/expected.txt"));
  std::vector<ExpectedRow> rows;
  std::string text;
  while (std::getline(file, text)) {
    if (text.empty() || text[0] == '#') continue;
    std::istringstream words(text);
    ExpectedRow row;
    words >> row.program >> row.release >> row.fast >> row.secure;
    rows.push_back(row);
  }
  return rows;
}

bool IsExpected(const std::string& expected, const std::string& outcome) {
  if (expected == "ANY") return true;
  std::istringstream words(expected);
  std::string word;
  while (std::getline(words, word, '|')) {
    if (word == outcome) return true;
  }
  return false;
}

bool IsBad(const std::string& outcome) {
  return IsExpected("OVERLAP|CHOSEN_ADDRESS|CRASH|HANG", outcome);
}

Outcome RunProgram(
    const std::string& program, const std::string& library, bool is_cold,
    const std::vector<std::pair<std::string, std::string>>& environment) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/misuse/programs/" + program)};
  if (is_cold) child.argv.push_back("cold");
  child.environment = environment;
  if (!library.empty()) child.environment.emplace_back("LD_PRELOAD", library);
  const ChildResult result = RunChild(child);
  if (!result.Succeeded()) return {"could not be run", result.Describe()};
  const size_t end = result.out.find('\n');
  if (end == std::string::npos) return {"printed nothing", result.out};
  return {result.out.substr(0, end), result.out.substr(end + 1) + result.err};
}

}  // namespace myonly::testing
