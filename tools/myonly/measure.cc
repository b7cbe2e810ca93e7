#include "tools/myonly/measure.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tools/myonly/temporary_folder.h"

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

namespace myonly::tools {
namespace {

namespace fs = std::filesystem;

class Measurer {
 public:
  Measurer(const MeasureSpec& spec, Measurement* result)
      : spec_(spec), result_(*result) {}

  void Run();

 private:
  void AskForGreeting();
  // False if nothing more should run.
  bool RunOnce(Side* side, int round);
  LaunchSpec MakeLaunch(const Side& side, int round) const;
  std::string PreloadPath(const Side& side) const;
  void ShowProgress(const Side& side, int round) const;
  void ClearProgress() const;

  const MeasureSpec& spec_;
  Measurement& result_;
  TemporaryFolder folder_;
};

void Measurer::Run() {
  AskForGreeting();
  if (!result_.error.empty()) return;
  for (int round = spec_.warm_up ? 0 : 1; round <= spec_.rounds; ++round) {
    std::vector<Side*> order;
    for (Side& side : result_.sides) order.push_back(&side);
    // The warm-up, whose output is seen, is the first side's.
    if (round % 2 == 0 && round > 0) std::reverse(order.begin(), order.end());
    for (Side* side : order) {
      ShowProgress(*side, round);
      const bool more = RunOnce(side, round);
      ClearProgress();
      if (!more) return;
    }
  }
}

// Loads the library into this very tool, which then only prints its version.
void Measurer::AskForGreeting() {
  LaunchSpec launch;
  launch.path = "/proc/self/exe";
  launch.arguments = {"myonly", "--version"};
  launch.environment = {{"MYONLY_VERBOSE", "1"},
                        {"LD_PRELOAD", PreloadPath(result_.sides.front())}};
  launch.quiet = true;
  launch.error_path = folder_.Path("greeting");
  const LaunchResult run = Launch(launch);
  std::ifstream file(launch.error_path);
  std::getline(file, result_.greeting);
  // The loader complains and goes on without the library.
  const bool refused = result_.greeting.find("ld.so") != std::string::npos;
  if (refused || run.error != 0 || run.exit_code != 0) {
    result_.error =
        "the library can't be loaded: " +
        (result_.greeting.empty() ? "exit code " + std::to_string(run.exit_code)
                                  : result_.greeting);
    result_.greeting.clear();
  }
}

bool Measurer::RunOnce(Side* side, int round) {
  const bool first = result_.exit_code < 0;
  std::error_code error;
  fs::remove(folder_.Path("stats"), error);
  const LaunchResult run = Launch(MakeLaunch(*side, round));
  if (run.error != 0) {
    result_.error = spec_.path + ": " + std::strerror(run.error);
    return false;
  }
  if (first) result_.exit_code = run.exit_code;
  side->processes = ReadStatsFile(folder_.Path("stats"));
  // A run that is not the warm-up counts; one that died is worth telling of.
  if (round > 0 || run.signal != 0) side->runs.push_back(run);
  return run.signal == 0;
}

LaunchSpec Measurer::MakeLaunch(const Side& side, int round) const {
  LaunchSpec launch;
  launch.path = spec_.path;
  launch.arguments = spec_.arguments;
  launch.folder = spec_.folder;
  launch.fresh_input = spec_.warm_up;
  launch.quiet =
      spec_.warm_up && (round > 0 || &side != &result_.sides.front());
  launch.environment = {{"MYONLY_STATS_FILE", folder_.Path("stats")}};
  if (!side.library.empty()) {
    launch.environment.emplace_back("LD_PRELOAD", PreloadPath(side));
  }
  return launch;
}

std::string Measurer::PreloadPath(const Side& side) const {
  return PreloadList(side.library, folder_.Path(side.name + ".so"));
}

void Measurer::ShowProgress(const Side& side, int round) const {
  if (!spec_.progress) return;
  if (round == 0) {
    std::fprintf(stderr, "\r\033[Kwarm-up: %s ", side.name.c_str());
  } else {
    std::fprintf(stderr, "\r\033[Kround %d of %d: %s ", round, spec_.rounds,
                 side.name.c_str());
  }
  std::fflush(stderr);
}

void Measurer::ClearProgress() const {
  if (spec_.progress) std::fputs("\r\033[K", stderr);
}

}  // namespace

Measurement Measure(const MeasureSpec& spec, std::vector<Side> sides) {
  Measurement result;
  result.arguments = spec.arguments;
  result.rounds = spec.rounds;
  result.sides = std::move(sides);
  result.exit_code = -1;  // nothing has run
  Measurer(spec, &result).Run();
  return result;
}

std::string PreloadList(const std::string& library, const std::string& link) {
  std::string list = library;
  if (list.find_first_of(" :") != std::string::npos) {
    std::error_code error;
    if (!fs::exists(link, error)) fs::create_symlink(list, link, error);
    list = link;
  }
  const char* preloaded = std::getenv("LD_PRELOAD");
  if (preloaded != nullptr && *preloaded != 0) {
    list += std::string(":") + preloaded;
  }
  return list;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

std::string SystemAllocatorName() {
#if defined(__GLIBC__)
  return std::string("glibc ") + gnu_get_libc_version();
#else
  return "system";
#endif
}

}  // namespace myonly::tools
