#include "allocator/runtime/request_gate.h"

#include "allocator/base/check.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {

bool RequestGate::Asks(size_t size) {
  ThreadGate& gate = this_thread.gated->gate();
  if (gate.sections == 0) return !gate.faults.Fails(Payload(size));
  if ((gate.aborts & 1) != 0) {
    ReportAndAbort("allocation in a section that forbids it, in the thread",
                   this_thread.gated);
  }
  return false;
}

ThreadGate* RequestGate::Close() {
  if (this_thread.gated != nullptr) return &this_thread.gated->gate();
  ThreadState* state = ProcessHeap::StateForGate();
  if (state == nullptr) return nullptr;
  state->Detach();
  this_thread.Set(nullptr);
  this_thread.gated = state;
  return &state->gate();
}

void RequestGate::Open() {
  ThreadState* state = this_thread.gated;
  if (state == nullptr) return;
  state->gate().sections = 0;
  state->gate().faults.End();
  this_thread.gated = nullptr;
  state->Attach(this_thread.lists);
  this_thread.Set(state);
}

void RequestGate::OpenIfUnused() {
  const ThreadGate& gate = this_thread.gated->gate();
  if (gate.sections == 0 && !gate.faults.is_on()) Open();
}

Status RequestGate::EnterSection(bool aborts) {
  ThreadGate* gate = Close();
  if (gate == nullptr) return Status::kNoMemory;
  if (gate->sections == ThreadGate::kMostSections) return Status::kUnsupported;
  ++gate->sections;
  gate->aborts = gate->aborts << 1 | (aborts ? 1 : 0);
  return Status::kOk;
}

Status RequestGate::LeaveSection() {
  ThreadState* state = this_thread.gated;
  if (state == nullptr || state->gate().sections == 0) return Status::kInvalid;
  --state->gate().sections;
  state->gate().aborts >>= 1;
  OpenIfUnused();
  return Status::kOk;
}

Status RequestGate::BeginFaults(const FaultOptions& options) {
  ThreadGate* gate = Close();
  if (gate == nullptr) return Status::kNoMemory;
  if (gate->faults.is_on()) return Status::kBusy;
  gate->faults.Begin(options);
  return Status::kOk;
}

Status RequestGate::EndFaults(uint64_t* failures) {
  ThreadState* state = this_thread.gated;
  if (state == nullptr || !state->gate().faults.is_on()) {
    return Status::kInvalid;
  }
  *failures = state->gate().faults.End();
  OpenIfUnused();
  return Status::kOk;
}

}  // namespace myonly::internal
