// The run pool's part of huge pages: where small runs grow into fresh memory
// they will need all of it, and 2 MiB are populated at once.

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"

namespace myonly::internal {
namespace {

constexpr size_t kUnitSlices = (size_t{2} << 20) / kSliceSize;
// Larger runs may be buffers that are never filled.
constexpr size_t kMaxDenseSlices = 8;
// After a failure: the system has no huge page ready, or refuses.
constexpr size_t kUnitsToSkip = 4;

}  // namespace

// Memory is taken from below, so the run that reaches into a unit comes before
// the others in it.
void RunPool::NoteFreshRun(const Slice* run, size_t slices) {
  const Reservation& reservation = ReservationOf(run);
  const size_t first = reservation.IndexOf(run);
  const size_t unit = AlignUp(first, kUnitSlices);
  if (unit >= first + slices || slices > kMaxDenseSlices) return;
  if (run->reservation == 0 && unit < kSmallPagesSlices) return;
  const Slice* rest = FreeRunAfter(run, slices);
  if (rest == nullptr || rest->dirty ||
      first + slices + rest->run_slices < unit + kUnitSlices) {
    return;
  }
  if (units_to_skip_ != 0) {
    --units_to_skip_;
    return;
  }
  char* start = reservation.AddressOf(reservation.At(unit));
  if (IsAligned(reinterpret_cast<uintptr_t>(start), kUnitSlices * kSliceSize)) {
    fresh_unit_ = start;
  }
}

// Without the lock: it takes a millisecond. That others use the unit already,
// or have given it back, does no harm.
void RunPool::PopulateUnit(char* unit) {
  if (pages_.PopulateHuge(unit, kUnitSlices * kSliceSize)) return;
  MutexLock lock(mutex_);
  units_to_skip_ = kUnitsToSkip;
}

void RunPool::set_wants_huge_pages(bool wants) {
  MutexLock lock(mutex_);
  wants_huge_pages_ = wants;
}

}  // namespace myonly::internal
