// The demo: the C++ compiler on libmyonlymalloc.so beside the system's malloc,
// then two arenas on a real text.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "myonly/myonly.h"
#include "tools/myonly/launch.h"
#include "tools/myonly/measure.h"
#include "tools/myonly/program.h"
#include "tools/myonly/report.h"
#include "tools/myonly/runfiles.h"

namespace myonly::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 3;
constexpr const char* kCompilers[] = {"c++", "g++", "clang++"};
// Both include only the standard library and headers of their own folder.
constexpr const char* kSources[] = {"tools/myonly/measure.cc",
                                    "tools/myonly/program.cc"};

int Fail(const std::string& why) {
  absl::FPrintF(stderr, "demo: %s\n", why);
  return kExitRunner;
}

std::string FindCompiler() {
  const char* search_path = std::getenv("PATH");
  for (const char* name : kCompilers) {
    const Program program = FindProgram(
        name, search_path != nullptr ? search_path : "/usr/bin:/bin");
    if (!program.path.empty() && WhyNotPreloadable(program.path).empty()) {
      return program.path;
    }
  }
  return "";
}

// Compiles some of the project's own sources, again and again.
int CompareCompiler(const std::string& library, const std::string& folder) {
  MeasureSpec spec;
  spec.path = FindCompiler();
  if (spec.path.empty()) return Fail("no C++ compiler (c++, g++) in PATH");
  const std::string first = FindRunfile(kSources[0]);
  if (first.empty()) return Fail(std::string(kSources[0]) + " isn't there");
  const std::string root =
      first.substr(0, first.size() - std::strlen(kSources[0]));
  spec.arguments = {fs::path(spec.path).filename().string(), "-std=c++17",
                    "-O2", "-c", "-I" + root};
  for (const char* source : kSources) spec.arguments.push_back(root + source);
  spec.folder = folder;  // for the object files
  spec.rounds = kRounds;
  spec.warm_up = true;
  spec.progress = isatty(STDERR_FILENO) == 1;
  absl::PrintF("1. The C++ compiler, on this malloc and on the system's\n\n");
  std::fflush(stdout);

  Measurement result = Measure(spec, {{"myonlymalloc", library, {}, {}},
                                      {SystemAllocatorName(), "", {}, {}}});
  if (!result.error.empty()) return Fail(result.error);
  // The paths of a build are long and tell nothing.
  result.arguments = {result.arguments[0], "-std=c++17", "-O2", "-c",
                      kSources[0],         kSources[1]};
  absl::PrintF("%s%s\n", SignalReport(result), TextReport(result));
  if (result.exit_code != 0) return Fail("the compiler failed");
  if (result.sides.front().processes.empty()) {
    return Fail("the compiler ran on another malloc");
  }
  return 0;
}

// The C example examples/two_arenas.c.
int ShowArenas() {
  const std::string example = FindRunfile("examples/two_arenas");
  const std::string text = FindRunfile("LICENSE");
  if (example.empty() || text.empty()) return Fail("two_arenas isn't there");
  absl::PrintF(
      "2. Two arenas of one program (examples/two_arenas.c), which reads the\n"
      "   words of LICENSE into one and an index over them into the other\n\n");
  std::fflush(stdout);
  LaunchSpec launch;
  launch.path = example;
  launch.arguments = {"two_arenas", text};
  const LaunchResult run = Launch(launch);
  if (run.error != 0) return Fail(example + ": " + std::strerror(run.error));
  return run.exit_code;
}

int Main(int argc, char** argv) {
  if (argc > 1) {
    const bool version = std::strcmp(argv[1], "--version") == 0;
    if (version) {
      absl::PrintF("demo %s\n", MYONLY_VERSION_STRING);
    } else {
      absl::PrintF(
          "Runs the C++ compiler on libmyonlymalloc.so and on the system's\n"
          "malloc in turn and prints what both cost; then two arenas.\n"
          "Takes no arguments; //tools:myonly runs any program.\n");
    }
    return version || std::strcmp(argv[1], "--help") == 0 ? 0 : kExitRunner;
  }
  const std::string library = FindRunfile("capi/libmyonlymalloc.so");
  if (library.empty()) return Fail("libmyonlymalloc.so isn't there");
  std::error_code error;
  std::string folder =
      fs::temp_directory_path(error).string() + "/myonly-demo.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr)
    return Fail(folder + ": can't make it");
  int exit_code = CompareCompiler(library, folder);
  fs::remove_all(folder, error);
  if (exit_code == 0) exit_code = ShowArenas();
  return exit_code;
}

}  // namespace
}  // namespace myonly::tools

int main(int argc, char** argv) { return myonly::tools::Main(argc, argv); }
