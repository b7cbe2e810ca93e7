#include "tools/bench/run.h"

#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"
#include "tools/bench/programs.h"
#include "tools/bench/redis.h"
#include "tools/myonly/launch.h"
#include "tools/myonly/measure.h"

namespace myonly::bench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What a workload of ours printed. False if it isn't all there.
bool ReadOutput(const std::string& output, Run* run) {
  std::istringstream lines(output);
  bool operations = false;
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos) return false;
    const std::string name = line.substr(0, equals);
    const std::string value = line.substr(equals + 1);
    if (name == "operations") {
      run->figures.operations = std::strtod(value.c_str(), nullptr);
      operations = true;
    } else if (name == "checksum") {
      run->answer = value;
    } else if (name.compare(0, 7, "detail ") == 0) {
      run->details.emplace_back(name.substr(7),
                                std::strtod(value.c_str(), nullptr));
    }
  }
  return operations && !run->answer.empty();
}

std::string Hash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return absl::StrFormat("%016x", hash);
}

// The loader complains and goes on without the library.
bool WasRefused(const std::string& errors) {
  return errors.find("ld.so: object") != std::string::npos &&
         errors.find("cannot be preloaded") != std::string::npos;
}

std::string StatusOf(const tools::LaunchResult& result, double timeout) {
  if (result.error != 0) {
    return std::string("failed: ") + std::strerror(result.error);
  }
  if (result.timed_out) {
    return absl::StrFormat("timed out after %g s", timeout);
  }
  if (result.signal != 0) return "crashed: " + SignalName(result.signal);
  // A compiler tells in its exit code alone that a part of it crashed.
  if (result.exit_code != 0) {
    return absl::StrFormat("failed: exit code %d", result.exit_code);
  }
  return kOk;
}

Figures FiguresOf(const tools::LaunchResult& result) {
  Figures figures;
  figures.wall_seconds = result.wall_seconds;
  figures.user_seconds = result.user_seconds;
  figures.system_seconds = result.system_seconds;
  figures.cpu_seconds = result.user_seconds + result.system_seconds;
  figures.peak_rss_bytes = static_cast<double>(result.peak_rss_kib) * 1024;
  figures.page_faults = static_cast<double>(result.page_faults);
  return figures;
}

}  // namespace

Run Runner::RunOnce(const Workload& workload,
                    const Allocator& allocator) const {
  Run run;
  tools::LaunchSpec launch;
  const bool redis = workload.name == "redis";
  const bool program = workload.kind == "program";
  std::string why;
  if (redis) {
    why = WhyNoRedis();
  } else if (program) {
    why = PrepareProgram(workload.name, options_.scale, &launch);
  } else {
    launch.path = driver_;
    launch.arguments = {"workload", workload.name, "--scale",
                        absl::StrFormat("%g", options_.scale)};
  }
  if (!why.empty()) {
    run.status = "skipped: " + why;
    return run;
  }
  launch.fresh_input = true;
  launch.one_processor = workload.kind != "threads" && !redis;
  launch.timeout_seconds = options_.timeout_seconds;
  launch.output_path = folder_ + "/output";
  launch.error_path = folder_ + "/errors";
  for (const auto& variable : allocator.environment) {
    launch.environment.push_back(variable);
  }
  std::string library = allocator.path;
  // Debian's redis is linked against jemalloc: on glibc it runs if glibc comes
  // first.
  if (library.empty() && redis) library = "libc.so.6";
  if (!library.empty()) {
    launch.environment.emplace_back(
        "LD_PRELOAD",
        tools::PreloadList(library, folder_ + "/" + allocator.name + ".so"));
  }
  const tools::LaunchResult result =
      redis ? RunRedis(launch, folder_, options_.scale, &why)
            : tools::Launch(launch);
  run.interrupted = result.interrupted;
  run.status = StatusOf(result, options_.timeout_seconds);
  run.figures = FiguresOf(result);
  if (run.status == kOk && !why.empty()) run.status = "failed: " + why;
  if (WasRefused(ReadFile(launch.error_path))) {
    run.status = "failed: the library can't be preloaded";
  }
  if (run.status != kOk) return run;
  const std::string output = ReadFile(launch.output_path);
  if (program) {
    run.answer = redis ? "" : Hash(output);
  } else if (!ReadOutput(output, &run)) {
    run.status = "wrong answer";
  }
  return run;
}

std::string SignalName(int signal) {
  switch (signal) {
    case SIGABRT:
      return "SIGABRT";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    case SIGINT:
      return "SIGINT";
    case SIGKILL:
      return "SIGKILL";
    case SIGSEGV:
      return "SIGSEGV";
    case SIGTERM:
      return "SIGTERM";
    case SIGTRAP:
      return "SIGTRAP";
    default:
      return absl::StrFormat("signal %d", signal);
  }
}

}  // namespace myonly::bench
