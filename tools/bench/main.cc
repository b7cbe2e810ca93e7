// bench: compares memory allocators. See Usage() in options.cc.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tools/bench/allocators.h"
#include "tools/bench/benchmark.h"
#include "tools/bench/catalog.h"
#include "tools/bench/figures.h"
#include "tools/bench/machine.h"
#include "tools/bench/options.h"
#include "tools/bench/report/page.h"
#include "tools/bench/run.h"
#include "tools/myonly/runfiles.h"
#include "tools/myonly/temporary_folder.h"

namespace myonly::bench {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongOption = 2;
constexpr int kInterrupted = 130;

int Fail(int exit_code, const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  return exit_code;
}

// "bazel run" starts tools elsewhere; paths mean what the user typed.
void ReturnToUsersFolder() {
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder != nullptr && chdir(folder) != 0) {
    std::fprintf(stderr, "bench: can't change to %s\n", folder);
  }
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  return static_cast<bool>(file << text << std::flush);
}

// A file that can't be written is better known before minutes of work.
std::string CheckFiles(const Options& options) {
  for (const auto& [option, path] :
       {std::pair("--json", options.json_file),
        std::pair("--report", options.report_file)}) {
    if (path.empty()) continue;
    std::error_code error;
    const bool existed = std::filesystem::exists(path, error);
    const bool writable = static_cast<bool>(std::ofstream(path, std::ios::app));
    // No empty file is left where the work is ended early.
    if (!existed && writable) std::filesystem::remove(path, error);
    if (writable) continue;
    return std::string(option) + "=" + path + ": can't be written";
  }
  return "";
}

std::string MakePlan(Options* options, const std::string& library, Plan* plan) {
  std::string wrong = SelectWorkloads(options->workloads, &plan->workloads);
  if (!wrong.empty()) return wrong;
  plan->rounds = options->rounds;
  plan->allocators = {{"glibc", "", {}}, {"myonly", library, {}}};
  for (Allocator& allocator : options->allocators) {
    wrong = ResolveAllocator(library, &allocator);
    if (!wrong.empty()) return wrong;
    plan->allocators.push_back(allocator);
  }
  return "";
}

// False if something couldn't be written.
bool WriteFiles(const Options& options, const std::string& json) {
  bool written = true;
  if (!options.json_file.empty() && !WriteFile(options.json_file, json)) {
    Fail(0, options.json_file + ": can't be written");
    written = false;
  }
  if (options.report_file.empty()) return written;
  std::string error;
  if (WriteReportPage(json, options.report_file, &error)) return written;
  Fail(0, error);
  // The figures are not lost: a page can be made of them later.
  if (options.json_file.empty()) {
    const std::string file = options.report_file + ".json";
    if (WriteFile(file, json)) Fail(0, "the figures are in " + file);
  }
  return false;
}

int RunBenchmark(const Options& options, const Plan& plan,
                 const std::string& driver) {
  const tools::TemporaryFolder folder;
  const Runner runner(driver, folder.Path("."), options);
  const auto run_once = [&](const Workload& workload,
                            const Allocator& allocator) {
    return runner.RunOnce(workload, allocator);
  };
  const Machine machine = DescribeMachine();
  bool interrupted = false;
  const std::vector<Cell> cells =
      RunAll(plan, run_once, isatty(STDERR_FILENO) == 1, &interrupted);
  std::fputs(TextFigures(plan, cells).c_str(), stdout);
  std::fflush(stdout);
  bool well = WriteFiles(options, JsonFigures(machine, options, plan, cells));
  if (interrupted) return Fail(kInterrupted, "interrupted");
  for (const Cell& cell : cells) {
    if (cell.status == kOk) continue;
    Fail(0, cell.workload + " on " + cell.allocator + ": " + cell.status);
    well = well && cell.skipped();
  }
  return well ? 0 : kFailed;
}

int Main(int argc, char** argv) {
  // Before the folder changes: runfiles may be relative to it.
  const std::string library = tools::FindRunfile("capi/libmyonlymalloc.so");
  const std::string driver =
      tools::FindRunfile("tools/bench/workloads/workload");
  ReturnToUsersFolder();
  // It would be in every run.
  unsetenv("LD_PRELOAD");
  Options options;
  const std::string wrong = ParseOptions({argv + 1, argv + argc}, &options);
  if (!wrong.empty()) return Fail(kWrongOption, wrong);
  if (options.help || options.list) {
    std::fputs((options.help ? Usage() : ListWorkloads()).c_str(), stdout);
    return 0;
  }
  if (library.empty() || driver.empty()) {
    return Fail(kFailed,
                "libmyonlymalloc.so or the workloads aren't beside "
                "this tool; start it by tools/bazel run //tools/bench");
  }
  Plan plan;
  std::string unusable = MakePlan(&options, library, &plan);
  if (unusable.empty()) unusable = CheckFiles(options);
  if (!unusable.empty()) return Fail(kWrongOption, unusable);
  return RunBenchmark(options, plan, driver);
}

}  // namespace
}  // namespace myonly::bench

int main(int argc, char** argv) { return myonly::bench::Main(argc, argv); }
