// Runs every program of tests/misuse/programs on this project's library, on
// glibc and on any others, and prints the table of docs/misuse.md:
//
//   tools/bazel run //tools/misuse_table -- [--allocator NAME=PATH.so]...
//       [--update FILE]
//
// --update FILE replaces what stands between the two marks in the file.
// Exit status 0; 1: a bad argument or file.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/misuse/program_table.h"
#include "tests/support/runfiles.h"

namespace {

using myonly::testing::ExpectedRow;
using myonly::testing::IsBad;
using myonly::testing::Outcome;
using myonly::testing::ReadExpectedRows;
using myonly::testing::RunfilePath;
using myonly::testing::RunProgram;

constexpr char kBegin[] = "<!-- misuse table -->\n";
constexpr char kEnd[] = "<!-- end of misuse table -->\n";

struct Allocator {
  std::string name;
  std::string library;
};

struct Arguments {
  std::vector<Allocator> allocators;
  std::string update;
};

// Relative to where the user is, not to where the build tool starts this.
std::string Absolute(const std::string& path) {
  const char* from = getenv("BUILD_WORKING_DIRECTORY");
  if (path.empty() || path[0] == '/' || from == nullptr) return path;
  return std::string(from) + "/" + path;
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  arguments->allocators = {{"release", RunfilePath("capi/libmyonlymalloc.so")},
                           {"glibc", ""}};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    const size_t equals = value.find('=');
    if (flag == "--update") {
      arguments->update = Absolute(value);
    } else if (flag == "--allocator" && equals != std::string::npos) {
      arguments->allocators.push_back(
          {value.substr(0, equals), Absolute(value.substr(equals + 1))});
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

// What a reader needs to know of a cell.
std::string Cell(const Outcome& outcome) {
  if (outcome.word == "DETECTED") return "yes";
  if (outcome.word == "GUARDED") return "fault";
  if (outcome.word == "REPORTED") return "said";
  if (outcome.word == "HARMLESS") return ".";
  if (outcome.word == "UNSUPPORTED") return "-";
  return outcome.word == "CHOSEN_ADDRESS" ? "CHOSEN" : outcome.word;
}

const char* Group(const std::string& word) {
  if (word == "DETECTED" || word == "REPORTED") return "detected";
  if (word == "GUARDED") return "stopped by a fault at the access";
  if (word == "HARMLESS") return "harmless";
  if (word == "UNSUPPORTED") return "not applicable";
  return IsBad(word) ? "**bad**" : "data overwritten or leaked, unseen";
}

std::string Header(const std::vector<Allocator>& allocators,
                   const char* first) {
  std::string text = std::string("| ") + first;
  std::string line = "\n|---";
  for (const Allocator& allocator : allocators) {
    text += " | " + allocator.name;
    line += "|---";
  }
  return text + " |" + line + "|\n";
}

std::string Table(const std::vector<Allocator>& allocators) {
  std::string rows;
  std::vector<std::map<std::string, int>> counts(allocators.size());
  for (const ExpectedRow& row : ReadExpectedRows()) {
    rows += "| " + row.program;
    for (size_t i = 0; i < allocators.size(); ++i) {
      const Outcome outcome =
          RunProgram(row.program, allocators[i].library, false);
      rows += " | " + Cell(outcome);
      ++counts[i][Group(outcome.word)];
    }
    rows += " |\n";
    fprintf(stderr, "%s\n", row.program.c_str());
  }
  std::string summary = Header(allocators, "programs");
  for (const char* group :
       {"detected", "stopped by a fault at the access", "harmless",
        "data overwritten or leaked, unseen", "**bad**", "not applicable"}) {
    summary += std::string("| ") + group;
    for (auto& count : counts) summary += " | " + std::to_string(count[group]);
    summary += " |\n";
  }
  return summary + "\n" + Header(allocators, "program") + rows;
}

bool Update(const std::string& path, const std::string& table) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  std::string text = all.str();
  const size_t begin = text.find(kBegin);
  const size_t end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos) return false;
  const size_t from = begin + sizeof(kBegin) - 1;
  text.replace(from, end - from, "\n" + table + "\n");
  return static_cast<bool>(std::ofstream(path) << text);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    fprintf(stderr,
            "usage: misuse_table [--allocator NAME=PATH.so]... "
            "[--update FILE]\n");
    return 1;
  }
  const std::string table = Table(arguments.allocators);
  fputs(table.c_str(), stdout);
  if (!arguments.update.empty() && !Update(arguments.update, table)) {
    fprintf(stderr, "%s has no place for the table\n",
            arguments.update.c_str());
    return 1;
  }
  return 0;
}
