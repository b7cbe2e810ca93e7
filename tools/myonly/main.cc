// myonly: runs any program on libmyonlymalloc.so. See Usage().

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_format.h"
#include "myonly/myonly.h"
#include "tools/myonly/command_line.h"
#include "tools/myonly/measure.h"
#include "tools/myonly/program.h"
#include "tools/myonly/report.h"
#include "tools/myonly/runfiles.h"

ABSL_FLAG(int, rounds, 0, "rounds of a comparison");
ABSL_FLAG(bool, json, false, "print the report as JSON");
ABSL_FLAG(std::string, output, "", "write the report to this file");
ABSL_FLAG(std::string, library, "", "another libmyonlymalloc.so");
ABSL_FLAG(std::vector<std::string>, allocator, {},
          "NAME=PATH of further libraries to compare with");

namespace myonly::tools {
namespace {

constexpr int kDefaultRounds = 5;
constexpr int kMaxRounds = 1000;

int Fail(int exit_code, const std::string& why) {
  absl::FPrintF(stderr, "myonly: %s\n", why);
  return exit_code;
}

// Relative paths mean what the user typed, where he typed it: "bazel run"
// starts tools elsewhere.
void ReturnToUsersFolder() {
  if (const char* folder = std::getenv("BUILD_WORKING_DIRECTORY")) {
    if (chdir(folder) != 0) {
      absl::FPrintF(stderr, "myonly: can't change to %s\n", folder);
    }
  }
}

// Stores all allocators, ours first and the system's last. Returns what is
// wrong with them, or "".
std::string MakeSides(const std::string& library, bool compare,
                      std::vector<Side>* sides) {
  sides->push_back({"myonlymalloc", library, {}, {}});
  if (compare) {
    for (const std::string& text : absl::GetFlag(FLAGS_allocator)) {
      Side side;
      if (!ParseAllocator(text, &side.name, &side.library)) {
        return "--allocator=" + text + ": not NAME=PATH";
      }
      sides->push_back(side);
    }
    sides->push_back({SystemAllocatorName(), "", {}, {}});
  }
  for (Side& side : *sides) {
    if (side.library.empty()) continue;
    std::error_code error;
    if (!std::filesystem::exists(side.library, error)) {
      return side.library + ": no such library";
    }
    side.library = std::filesystem::absolute(side.library, error).string();
  }
  return "";
}

int PrintReport(const Measurement& measurement) {
  if (!measurement.error.empty()) {
    return Fail(measurement.exit_code < 0 ? kExitRunner : kExitNotExecutable,
                measurement.error);
  }
  const std::string signals = SignalReport(measurement);
  if (!signals.empty()) absl::FPrintF(stderr, "myonly: %s", signals);
  const std::string report = absl::GetFlag(FLAGS_json)
                                 ? JsonReport(measurement)
                                 : TextReport(measurement);
  const std::string output = absl::GetFlag(FLAGS_output);
  if (output.empty()) {
    absl::FPrintF(stderr, "%s", report);
  } else if (!(std::ofstream(output) << report << std::flush)) {
    return Fail(kExitRunner, output + ": can't write it");
  }
  return measurement.exit_code;
}

int RunProgram(bool compare, const std::vector<std::string>& arguments,
               const std::string& built_library) {
  const int rounds = absl::GetFlag(FLAGS_rounds);
  if (rounds < 0 || rounds > kMaxRounds) {
    return Fail(kExitRunner, "--rounds must be 1 to 1000");
  }
  const char* search_path = std::getenv("PATH");
  const Program program =
      FindProgram(arguments.front(),
                  search_path != nullptr ? search_path : "/usr/bin:/bin");
  if (program.path.empty()) return Fail(program.exit_code, program.error);
  const std::string why_not = WhyNotPreloadable(program.path);
  if (!why_not.empty()) return Fail(kExitRunner, why_not);

  std::string library = absl::GetFlag(FLAGS_library);
  if (library.empty()) library = built_library;
  if (library.empty()) {
    return Fail(kExitRunner,
                "libmyonlymalloc.so isn't beside this tool; --library=PATH "
                "says where it is");
  }
  MeasureSpec spec;
  std::vector<Side> sides;
  spec.warm_up = compare || rounds > 0;
  const std::string wrong = MakeSides(library, spec.warm_up, &sides);
  if (!wrong.empty()) return Fail(kExitRunner, wrong);
  spec.path = program.path;
  spec.arguments = arguments;
  if (spec.warm_up) spec.rounds = rounds > 0 ? rounds : kDefaultRounds;
  spec.progress = spec.warm_up && isatty(STDERR_FILENO) == 1;
  return PrintReport(Measure(spec, std::move(sides)));
}

int Main(int argc, char** argv) {
  const SplitArguments split = Split(argc, argv);
  for (const std::string& argument : split.own) {
    if (argument == "--help" || argument == "-h") {
      absl::PrintF("%s", Usage());
      return 0;
    }
    if (argument == "--version") {
      absl::PrintF("myonly %s\n", MYONLY_VERSION_STRING);
      return 0;
    }
  }
  // Before the folder changes: runfiles may be relative to it.
  const std::string library = FindRunfile("capi/libmyonlymalloc.so");
  ReturnToUsersFolder();
  const std::vector<char*> words =
      absl::ParseCommandLine(static_cast<int>(split.own.size()), argv);
  const std::string command = words.size() > 1 ? words[1] : "";
  if (command != "run" && command != "compare") {
    return Fail(kExitRunner,
                command.empty() ? "say run or compare; --help tells more"
                                : command + ": no such command (run, compare)");
  }
  if (words.size() > 2 || split.program.empty()) {
    return Fail(kExitRunner, "what shall run comes after two dashes: myonly " +
                                 command + " -- PROGRAM ARGS...");
  }
  return RunProgram(command == "compare", split.program, library);
}

}  // namespace
}  // namespace myonly::tools

int main(int argc, char** argv) { return myonly::tools::Main(argc, argv); }
