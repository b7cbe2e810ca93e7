#include "allocator/runtime/start.h"

#include <fcntl.h>
#include <pthread.h>

#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "allocator/base/system_call.h"
#include "allocator/guard/guarded_pool.h"
#include "allocator/options/options.h"
#include "allocator/runtime/background.h"
#include "allocator/runtime/heap.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/sampling.h"

namespace myonly::internal {
namespace {

constexpr int kStderr = 2;

// Kept for Finish: a copy, as programs overwrite their environment (to change
// their title). Empty: no statistics are asked for.
char stats_file[1024] = "";

// `value` stands right behind `variable`; "": that has it, or has none.
void Print(const char* variable, const char* value, const char* problem,
           const char* what_then) {
  Printer line;
  line.Text("myonlymalloc: ").Plain(variable).Plain(value).Text(" ");
  line.Text(problem).Text(what_then);
  line.Text("; MYONLY_HELP=1 lists the options\n").WriteTo(kStderr);
}

void Complain(const char* variable, const char* problem) {
  Print(variable, "", problem, ", ignored");
}

void ReportValue(const char* variable, const char* value, const char* problem) {
  Print(variable, value, problem, ", ignored");
}

[[maybe_unused]] void ReportLarge(const char* variable, const char* problem) {
  Print(variable, "", problem, "");
}

void KeepStatsFile(const char* path) {
  if (strlen(path) >= sizeof(stats_file)) {
    Complain("MYONLY_STATS_FILE", "is too long");
    return;
  }
  strcpy(stats_file, path);
}

void SetOnMisuse(const char* what) {
  if (strcmp(what, "report") == 0) {
    GoOnAfterMisuse();
  } else if (strcmp(what, "abort") != 0) {
    ReportValue("MYONLY_ON_MISUSE=", what, "is neither abort nor report");
  }
}

void PrintOption(void* /*ctx*/, const char* name, const char* type,
                 const char* value, const char* help) {
  Printer line;
  line.Text("  ").Text(name).Text(" (").Text(type).Text(", default ");
  line.Text(strcmp(value, "nullptr") == 0 ? "none" : value).Text("): ");
  line.Text(help).Text("\n").WriteTo(kStderr);
}

uint64_t ProcessId() {
  return static_cast<uint64_t>(SystemCall(SystemCallNumber::kGetPid));
}

// The last part of the executable's path.
void AppendProgramName(Printer* line) {
  char path[256];
  const char link[] = "/proc/self/exe";
  const long length = SystemCall(
      SystemCallNumber::kReadLinkAt, static_cast<unsigned long>(AT_FDCWD),
      reinterpret_cast<unsigned long>(link),
      reinterpret_cast<unsigned long>(path), sizeof(path) - 1);
  if (SystemCallFailed(length)) {
    line->Text("unknown");
    return;
  }
  path[length] = '\0';
  const char* slash = strrchr(path, '/');
  line->Text(slash == nullptr ? path : slash + 1);
}

void PrintVerbose(const char* version, bool is_process_allocator) {
  Printer line;
  line.Text("myonlymalloc: version ").Text(version).Text(" in process ");
  line.Number(ProcessId()).Text(" (");
  AppendProgramName(&line);
  line.Text(is_process_allocator ? "), malloc is ours"
                                 : "), malloc is not ours");
  line.Text(", preset ").Text(kIsDebug ? "debug" : kPresetName);
  line.Text("\n").WriteTo(kStderr);
}

[[maybe_unused]] void ReportLargeSizes(const Options& options) {
  if (options.sample_slots > GuardedPool::kMaxSlots) {
    ReportLarge("MYONLY_SAMPLE_SLOTS", "is more than 4096: 4096 are taken");
  }
#ifdef MYONLY_PRESET_DEBUG
  if (options.stack_depth > DebugHeap::kMaxStackDepth) {
    ReportLarge("MYONLY_STACK_DEPTH", "is more than 64: 64 are taken");
  }
#endif
}

void AppendStats(Printer* line) {
  const ArenaStats stats = ProcessHeap::Stats();
  line->Text("myonly pid=").Number(ProcessId()).Text(" program=");
  AppendProgramName(line);
  line->Text(" allocations=").Number(stats.allocations);
  line->Text(" frees=").Number(stats.frees);
  line->Text(" live_blocks=").Number(stats.live_blocks);
  line->Text(" live_bytes=").Number(stats.live_bytes);
  line->Text(" reserved_bytes=").Number(stats.reserved_bytes());
  line->Text(" peak_live_bytes=").Number(stats.peak_live_bytes).Text("\n");
}

// 0, or the system's error, negative.
long WriteStatsFile() {
  // No process waits at its end for somebody to read from a pipe.
  constexpr unsigned long kFlags =
      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  const long fd = SystemCall(
      SystemCallNumber::kOpenAt, static_cast<unsigned long>(AT_FDCWD),
      reinterpret_cast<unsigned long>(stats_file), kFlags, 0666);
  if (SystemCallFailed(fd)) return fd;
  Printer line;
  AppendStats(&line);
  const long error = line.WriteTo(static_cast<int>(fd));
  SystemCall(SystemCallNumber::kClose, static_cast<unsigned long>(fd));
  return error;
}

}  // namespace

void Start(const char* const* environment, const char* version,
           bool is_process_allocator) {
  // First, so that our handlers run last before a fork and first after it:
  // handlers of others may allocate.
  pthread_atfork(Heap::PrepareFork, Heap::ParentAfterFork,
                 Heap::ChildAfterFork);
  ProcessHeap::WatchThreads();
  Options options;
  ParseOptions(environment, &options, Complain);
  Heap::ApplyOptions(options);
  if constexpr (kIsSecure) {
    ReportLargeSizes(options);
    Sampling::Start(kIsDebug ? 0 : options.sample_rate, options.sample_slots);
  }
  if (options.background && !StartBackground()) {
    Complain("MYONLY_BACKGROUND", "can't start its thread");
  }
  if (options.on_misuse != nullptr) SetOnMisuse(options.on_misuse);
  if (options.stats_file != nullptr) KeepStatsFile(options.stats_file);
  if (options.help) {
    Printer line;
    line.Text("myonlymalloc: options, read from the environment at start:\n");
    line.WriteTo(kStderr);
    VisitOptions(PrintOption, nullptr);
  }
  if (options.verbose) PrintVerbose(version, is_process_allocator);
}

void Finish() {
#ifdef MYONLY_PRESET_DEBUG
  DebugHeap::Finish();
#else
  if constexpr (kIsSecure) GuardedHeap::CheckQuarantine();
#endif
  if (stats_file[0] == '\0') return;
  const long error = WriteStatsFile();
  if (error == 0) return;
  Printer line;
  line.Text("myonlymalloc: MYONLY_STATS_FILE=").Plain(stats_file);
  line.Text(" names a file that can't be written: errno ");
  line.Number(static_cast<uint64_t>(-error));
  line.Text(", statistics are lost\n").WriteTo(kStderr);
}

}  // namespace myonly::internal
