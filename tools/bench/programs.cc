#include "tools/bench/programs.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tools/myonly/program.h"
#include "tools/myonly/runfiles.h"

namespace myonly::bench {
namespace {

// The project's folder, from where its sources include each other.
std::string IncludeRoot(const std::string& source) {
  return std::filesystem::path(source)
      .parent_path()
      .parent_path()
      .parent_path()
      .string();
}

}  // namespace

std::string FindInstalled(const std::string& name, std::string* path) {
  // The system's first: what comes before it in PATH may be a script that
  // starts other programs on the way.
  const char* search_path = std::getenv("PATH");
  const tools::Program program =
      tools::FindProgram(name, std::string("/usr/bin:/bin:") +
                                   (search_path != nullptr ? search_path : ""));
  if (program.path.empty()) {
    return name + " is not installed; tools/install_test_programs does it";
  }
  *path = program.path;
  return tools::WhyNotPreloadable(program.path);
}

std::string PrepareProgram(const std::string& workload, double scale,
                           tools::LaunchSpec* launch) {
  const std::string factor = std::to_string(scale);
  std::string program = workload;
  std::string file;
  if (workload == "compiler") {
    program = "g++";
    file = tools::FindRunfile("tools/myonly/measure.cc");
    launch->arguments = {
        program, "-std=c++17", "-O1", "-S", "-o", "-", "-I" + IncludeRoot(file),
        file};
  } else if (workload == "python3") {
    file = tools::FindRunfile("tools/bench/programs/words.py");
    launch->arguments = {program, "-I", file, factor};
    launch->environment = {{"PYTHONHASHSEED", "0"}};
  } else if (workload == "perl") {
    file = tools::FindRunfile("tools/bench/programs/words.pl");
    launch->arguments = {program, file, factor};
    launch->environment = {{"PERL_HASH_SEED", "0"}};
  } else if (workload == "sqlite3") {
    file = tools::FindRunfile("tools/bench/programs/queries.sql");
    const int rows = static_cast<int>(100000 * scale) + 100;
    launch->arguments = {
        program, "-batch", ":memory:",
        "CREATE TABLE setting AS SELECT " + std::to_string(rows) + " AS rows;",
        ".read '" + file + "'"};
  } else {
    return workload + " is no program";
  }
  if (file.empty()) return "its input isn't beside this tool";
  return FindInstalled(program, &launch->path);
}

}  // namespace myonly::bench
