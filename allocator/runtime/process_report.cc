// What the process heap and its arenas tell about themselves.

#include "allocator/runtime/process_report.h"

#include "allocator/base/preset.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/sampling.h"
#include "allocator/threads/thread_registry.h"

namespace myonly::internal {
namespace {

ProcessGlobals& g = process_globals;

bool NextFigures(void* /*ctx*/, size_t* position, ArenaFigures* out) {
  if (*position == 0) {
    ++*position;
    *out = {0, ProcessHeap::Stats()};
    return true;
  }
  size_t slot = *position - 1;
  out->handle = ProcessHeap::NextStats(&slot, &out->stats);
  *position = slot + 1;
  return out->handle != 0;
}

bool OneArena(void* ctx, size_t* position, ArenaFigures* out) {
  if (*position != 0) return false;
  ++*position;
  *out = *static_cast<ArenaFigures*>(ctx);
  return true;
}

// Blocks that are in no run.
void AddSampled(Explanation* out) {
  const GuardedPool::Figures sampled = Sampling::figures();
  const auto blocks = static_cast<size_t>(sampled.allocations - sampled.frees);
  out->charged_bytes += sampled.page_bytes;
  out->parts[kLive] += sampled.live_bytes;
  out->parts[kRounding] += sampled.page_bytes - sampled.live_bytes;
  Explanation::Holding& held = out->holdings[Explanation::kLargeRuns];
  held.count += blocks;
  held.bytes += sampled.page_bytes;
  held.live_blocks += blocks;
  held.live_bytes += sampled.live_bytes;
}

}  // namespace

Status Explain(ArenaHandle handle, Explanation* out) {
  Status status = Status::kOk;
  Arena* arena =
      handle == 0 ? &g.default_arena : g.registry.Find(handle, &status);
  if (arena == nullptr) return status;
  HeapExplainer explainer(*arena, handle, out);
  status = explainer.Run();
  if (status != Status::kOk) return status;
  if (handle == 0) {
    g.threads.VisitHeaps(
        [&explainer](const SubHeap& share) { explainer.AddPosted(share); });
  }
  explainer.Finish();
  if (kIsSecure && handle == 0) AddSampled(out);
  if (OwnGround* ground = arena->ground()) {
    out->given_bytes = g.own.BytesOf(*ground);
  }
  return ProcessHeap::StatusOf(handle);
}

ArenaHandle NextArena(size_t* position) {
  MutexLock lock(g.registry.mutex_for_fork());
  const Arena* arena = g.registry.NextLocked(position);
  return arena == nullptr ? 0 : arena->token();
}

Status WriteStatsOf(ArenaHandle handle, StatsFormat format, ReportWriter* out) {
  Status status = Status::kOk;
  Arena* arena = handle == 0 ? nullptr : g.registry.Find(handle, &status);
  if (arena == nullptr && handle != 0) return status;
  ArenaFigures figures = {handle, arena == nullptr
                                      ? ProcessHeap::Stats()
                                      : ProcessHeap::StatsOf(*arena)};
  status = ProcessHeap::StatusOf(handle);
  if (status == Status::kOk) {
    WriteStats(format, {OneArena, &figures, nullptr, ""}, out);
  }
  return status;
}

void WriteAllStats(StatsFormat format, const char* version, ReportWriter* out) {
  ProcessFigures process = {};
  for (size_t position = 0; NextArena(&position) != 0;) ++process.arenas;
  process.free_resident_bytes = g.runs.dirty_bytes();
  process.kept_mapping_bytes = g.huge.cached_bytes();
  WriteStats(format, {NextFigures, nullptr, &process, version}, out);
}

}  // namespace myonly::internal
