// The run pool's part of what the secure preset keeps apart from the memory
// that it describes, and what makes memory fault.

#include "allocator/base/guard_keys.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/look.h"

namespace myonly::internal {

bool RunPool::ReserveApart(size_t index) {
  MakeGuardKeys();
  Reservation& reservation = reservations_[index];
  const uintptr_t base = reservation.base();
  const size_t slices = reservation.slices();
  if (!apart_.Reserve(index, pages_, base, slices)) {
    reservation.Set(nullptr, 0);
    return false;
  }
  reservation.Set(reinterpret_cast<void*>(base), slices,
                  apart_.DescriptorsEnd(index));
  return true;
}

void RunPool::ClearLiveApart(const Slice* run) const {
  LiveMapOf(run).Clear(AddressOf(run), run->run_slices * kSliceSize);
}

namespace {

// How a run was made to fault, as `waits_since` tells it.
enum : uint8_t { kByMapping, kByGuard, kByMappingAndGuard };

}  // namespace

// By guards where the system has them, which cost no mapping of the process. A
// guard that can't be taken off is in the way of who uses the run, as if all of
// it faulted.
bool RunPool::TakeAccess(Slice* run, bool has_guard) {
  const size_t bytes = run->run_slices * kSliceSize;
  if (!kIsSecure) return pages_.Decommit(AddressOf(run), bytes);
  const bool may_fault = !Look::IsOn();
  if (may_fault && pages_.Guard(AddressOf(run), bytes)) {
    run->waits_since = kByGuard;
    return true;
  }
  run->waits_since = has_guard ? kByMappingAndGuard : kByMapping;
  return (may_fault && pages_.Decommit(AddressOf(run), bytes)) ||
         (has_guard && !pages_.Unguard(AddressOf(run), bytes));
}

bool RunPool::GiveAccess(Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  if (kIsSecure && run->waits_since != kByMapping &&
      !pages_.Unguard(AddressOf(run), bytes)) {
    return false;
  }
  return (kIsSecure && run->waits_since == kByGuard) ||
         pages_.Commit(AddressOf(run), bytes);
}

void RunPool::GuardBehind(const Slice* run) {
  GuardSlices& guards = apart_.guards();
  if (guards.runs_left > 1) {
    --guards.runs_left;
    return;
  }
  Slice* guard = FreeRunAfter(run, run->run_slices);
  if (guard == nullptr) return;  // behind one of the next ones
  const bool was_dirty = guard->dirty;
  Carve(TreeOf(was_dirty), guard, 1);
  MarkInUse(guard, 1, RunKind::kBusy, this);
  --live_slices_;
  guards.random = MixBits(guards.random + guard_keys.order);
  guards.runs_left = 1 + guards.random % kMaxRunsPerGuard;
  const bool may_fault = !Look::IsOn();
  const bool may_map = may_fault && guards.mappings < kMaxGuardMappings;
  const bool faults = may_fault && pages_.Guard(AddressOf(guard), kSliceSize);
  if (!faults && (!may_map || !pages_.Decommit(AddressOf(guard), kSliceSize))) {
    // Half of that may be done.
    if (may_map) pages_.Commit(AddressOf(guard), kSliceSize);
    guard->owner = nullptr;
    InsertFree(guard, 1, was_dirty);
    return;
  }
  guard->waits_since = faults ? kByGuard : kByMapping;
  guards.mappings += faults ? 0 : 1;
  ++guards.count;
}

void RunPool::TakeGuardsOff(Slice* run, size_t slices, bool dirty) {
  const Reservation& reservation = ReservationOf(run);
  const size_t index = reservation.IndexOf(run);
  const size_t behind = index + slices;
  if (behind < reservation.committed_slices() &&
      IsGuard(reservation.At(behind))) {
    Slice* guard = reservation.At(behind);
    const Slice* beyond = FreeRunAfter(guard, 1);
    if (beyond != nullptr) TakeGuardOff(guard, dirty && beyond->dirty);
  }
  if (index > 1 && IsGuard(reservation.At(index - 1))) {
    const Slice* beyond = reservation.At(index - 2);
    if (beyond->kind == RunKind::kFree) {
      TakeGuardOff(reservation.At(index - 1), dirty && beyond->dirty);
    }
  }
}

void RunPool::TakeGuardOff(Slice* guard, bool dirty) {
  if (!GiveAccess(guard)) return;
  ForgetGuard(guard);
  guard->owner = nullptr;
  InsertFree(guard, 1, dirty);
}

void RunPool::ForgetGuard(const Slice* guard) {
  GuardSlices& guards = apart_.guards();
  guards.mappings -= guard->waits_since == kByMapping ? 1 : 0;
  --guards.count;
}

}  // namespace myonly::internal
