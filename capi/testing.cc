// The C API for tests of programs: check, cast, call.

#include "myonly/testing.h"

#include <cstring>

#include "allocator/base/fault_plan.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/request_gate.h"

namespace {

using myonly::internal::Arena;
using myonly::internal::ArenaHandle;
using myonly::internal::FaultOptions;
using myonly::internal::ProcessHeap;
using myonly::internal::RequestGate;
using myonly::internal::Status;

myonly_status Return(Status status) {
  if (status != Status::kOk) ProcessHeap::SetLastStatus(status);
  return static_cast<myonly_status>(status);
}

Arena* FindArena(myonly_arena* arena, Status* status) {
  return ProcessHeap::FindArena(reinterpret_cast<ArenaHandle>(arena), status);
}

Status ReadOptions(const myonly_fault_options* given, FaultOptions* options) {
  if (given == nullptr || given->struct_size < sizeof(*given)) {
    return Status::kInvalid;
  }
  const double probability = given->probability;
  // Written so that it is false for what is no number.
  const bool is_probability = probability >= 0 && probability <= 1;
  if (given->version != 0 || !is_probability) return Status::kInvalid;
  options->seed = given->seed;
  options->fail_nth = given->fail_nth;
  options->threshold = static_cast<uint64_t>(probability * 0x1p32);
  options->above_bytes = given->above_bytes;
  options->most = given->count;
  return Status::kOk;
}

Status BeginIn(Arena& arena, const FaultOptions& options) {
  if (arena.faults().is_on()) return Status::kBusy;
  arena.faults().Begin(options);
  arena.KeepFromShares(true);
  return Status::kOk;
}

Status EndIn(Arena& arena, uint64_t* failures) {
  if (!arena.faults().is_on()) return Status::kInvalid;
  *failures = arena.faults().End();
  arena.KeepFromShares(false);
  return Status::kOk;
}

}  // namespace

extern "C" {

myonly_status myonly_no_alloc_begin(int32_t action) noexcept {
  if (action != MYONLY_NO_ALLOC_REFUSE && action != MYONLY_NO_ALLOC_ABORT) {
    return Return(Status::kInvalid);
  }
  return Return(RequestGate::EnterSection(action == MYONLY_NO_ALLOC_ABORT));
}

myonly_status myonly_no_alloc_end(void) noexcept {
  return Return(RequestGate::LeaveSection());
}

myonly_status myonly_fault_begin(myonly_arena* handle,
                                 const myonly_fault_options* given) noexcept {
  FaultOptions options;
  Status status = ReadOptions(given, &options);
  if (status != Status::kOk) return Return(status);
  if (handle == nullptr) return Return(RequestGate::BeginFaults(options));
  Arena* arena = FindArena(handle, &status);
  return Return(arena == nullptr ? status : BeginIn(*arena, options));
}

myonly_status myonly_fault_end(myonly_arena* handle,
                               uint64_t* failures) noexcept {
  uint64_t count = 0;
  Status status = Status::kOk;
  if (handle == nullptr) {
    status = RequestGate::EndFaults(&count);
  } else if (Arena* arena = FindArena(handle, &status)) {
    status = EndIn(*arena, &count);
  }
  if (failures != nullptr) *failures = count;
  return Return(status);
}

}  // extern "C"
