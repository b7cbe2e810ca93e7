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

Status SetFaults(myonly_arena* handle, const FaultOptions* options,
                 uint64_t* failures) {
  const auto token = reinterpret_cast<ArenaHandle>(handle);
  Status status;
  Arena* arena = ProcessHeap::FindArena(token, &status);
  return arena == nullptr ? status : arena->SetFaults(token, options, failures);
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
  const Status status = ReadOptions(given, &options);
  if (status != Status::kOk) return Return(status);
  return Return(handle == nullptr ? RequestGate::BeginFaults(options)
                                  : SetFaults(handle, &options, nullptr));
}

myonly_status myonly_fault_end(myonly_arena* handle,
                               uint64_t* failures) noexcept {
  uint64_t count = 0;
  const Status status = handle == nullptr ? RequestGate::EndFaults(&count)
                                          : SetFaults(handle, nullptr, &count);
  if (failures != nullptr) *failures = count;
  return Return(status);
}

}  // extern "C"
