// Reports through the C API: check, cast, call.

#include "myonly/report.h"

#include "allocator/base/status.h"
#include "allocator/observe/explain_report.h"
#include "allocator/observe/report_writer.h"
#include "allocator/observe/stats_report.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/process_report.h"

namespace {

using myonly::internal::ArenaHandle;
using myonly::internal::Explanation;
using myonly::internal::ProcessHeap;
using myonly::internal::ReportWriter;
using myonly::internal::StatsFormat;
using myonly::internal::Status;

static_assert(MYONLY_FORMAT_TEXT == static_cast<int32_t>(StatsFormat::kText));
static_assert(MYONLY_FORMAT_JSON == static_cast<int32_t>(StatsFormat::kJson));
static_assert(MYONLY_FORMAT_PROMETHEUS ==
              static_cast<int32_t>(StatsFormat::kPrometheus));

// A success leaves the last failure alone.
myonly_status Return(Status status) {
  if (status != Status::kOk) ProcessHeap::SetLastStatus(status);
  return static_cast<myonly_status>(status);
}

ArenaHandle HandleOf(myonly_arena* arena) {
  return reinterpret_cast<ArenaHandle>(arena);
}

using WriteExplanation = void (*)(const Explanation&, ReportWriter*);

myonly_status ExplainAs(WriteExplanation write_as, myonly_arena* arena,
                        myonly_write_fn write, void* ctx) {
  if (write == nullptr) return Return(Status::kInvalid);
  Explanation explanation = {};
  const Status status =
      myonly::internal::Explain(HandleOf(arena), &explanation);
  if (status != Status::kOk) return Return(status);
  {
    ReportWriter out(write, ctx);
    write_as(explanation, &out);
  }
  return Return(ProcessHeap::StatusOf(HandleOf(arena)));
}

bool IsFormat(int32_t format) {
  return format >= MYONLY_FORMAT_TEXT && format <= MYONLY_FORMAT_PROMETHEUS;
}

}  // namespace

extern "C" {

myonly_status myonly_arena_explain(myonly_arena* arena, myonly_write_fn write,
                                   void* ctx) noexcept {
  return ExplainAs(myonly::internal::WriteText, arena, write, ctx);
}

myonly_status myonly_arena_explain_json(myonly_arena* arena,
                                        myonly_write_fn write,
                                        void* ctx) noexcept {
  return ExplainAs(myonly::internal::WriteJson, arena, write, ctx);
}

myonly_status myonly_arena_stats_write(myonly_arena* handle, int32_t format,
                                       myonly_write_fn write,
                                       void* ctx) noexcept {
  if (write == nullptr || !IsFormat(format)) return Return(Status::kInvalid);
  ReportWriter out(write, ctx);
  return Return(myonly::internal::WriteStatsOf(
      HandleOf(handle), static_cast<StatsFormat>(format), &out));
}

myonly_status myonly_stats_write(int32_t format, myonly_write_fn write,
                                 void* ctx) noexcept {
  if (write == nullptr || !IsFormat(format)) return Return(Status::kInvalid);
  ReportWriter out(write, ctx);
  myonly::internal::WriteAllStats(static_cast<StatsFormat>(format),
                                  MYONLY_VERSION_STRING, &out);
  return MYONLY_OK;
}

myonly_status myonly_arena_for_each(myonly_arena_fn visit, void* ctx) noexcept {
  if (visit == nullptr) return Return(Status::kInvalid);
  size_t position = 0;
  while (const ArenaHandle handle = myonly::internal::NextArena(&position)) {
    if (visit(ctx, reinterpret_cast<myonly_arena*>(handle)) != 0) break;
  }
  return MYONLY_OK;
}

}  // extern "C"
