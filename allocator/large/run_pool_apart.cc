// The run pool's part of what the secure preset keeps apart from the memory
// that it describes, and what makes memory fault.

#include "allocator/base/guard_keys.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"

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

// By guards where the system has them, which cost no mapping of the process.
// `waits_since` tells by which of the two.
bool RunPool::TakeAccess(Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  if (kIsSecure) {
    run->waits_since = pages_.Guard(AddressOf(run), bytes) ? 1 : 0;
    if (run->waits_since != 0) return true;
  }
  return pages_.Decommit(AddressOf(run), bytes);
}

bool RunPool::GiveAccess(Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  if (kIsSecure && run->waits_since != 0) {
    return pages_.Unguard(AddressOf(run), bytes);
  }
  return pages_.Commit(AddressOf(run), bytes);
}

}  // namespace myonly::internal
