// The run pool's part of making fresh memory resident: where small runs grow
// into it they will need all of it, and 2 MiB are one huge page.

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

// The lock is given up while the system is at work, a millisecond or more. What
// is left of the unit is busy meanwhile: others take the next one, as the
// system gives up where somebody touches what it puts together.
void RunPool::Populate(Slice* run, size_t bytes) {
  const size_t slices = run->run_slices;
  // Many owners with a page or two in each run would have much in vain.
  const bool is_dense = bytes >= slices * kSliceSize / 2;
  if (is_dense &&
      (ReservationOf(run).IndexOf(run) + slices - 1) % kUnitSlices < slices) {
    MutexLock lock(mutex_);
    if (char* unit = FreshUnit(run, slices)) {
      if (PopulateUnit(unit, run - slices)) return;
      units_to_skip_ = kUnitsToSkip;
    }
  }
  if (bytes > kPageSize) pages_.Populate(AddressOf(run), bytes);
}

bool RunPool::PopulateUnit(char* unit, Slice* rest) {
  const size_t unit_bytes = kUnitSlices * kSliceSize;
  const auto slices =
      static_cast<size_t>(unit + unit_bytes - AddressOf(rest)) / kSliceSize;
  Carve(clean_, rest, slices);
  MarkInUse(rest, slices, RunKind::kBusy, nullptr);
  mutex_.Unlock();
  const bool ok = pages_.PopulateHuge(unit, unit_bytes);
  mutex_.Lock();
  live_slices_ -= slices;
  InsertFree(rest, slices, /*dirty=*/false);
  return ok;
}

// Memory is taken from below, so the run that reaches into a unit comes before
// the others in it.
char* RunPool::FreshUnit(const Slice* run, size_t slices) {
  const Reservation& reservation = ReservationOf(run);
  const size_t first = reservation.IndexOf(run);
  const size_t unit = AlignUp(first, kUnitSlices);
  if (!wants_huge_pages_ || slices > kMaxDenseSlices ||
      (run->reservation == 0 && unit < kSmallPagesSlices)) {
    return nullptr;
  }
  const Slice* rest = FreeRunAfter(run, slices);
  if (rest == nullptr || rest->dirty ||
      first + slices + rest->run_slices < unit + kUnitSlices) {
    return nullptr;
  }
  if (units_to_skip_ != 0) {
    --units_to_skip_;
    return nullptr;
  }
  char* start = reservation.AddressOf(reservation.At(unit));
  const auto address = reinterpret_cast<uintptr_t>(start);
  return IsAligned(address, kUnitSlices * kSliceSize) ? start : nullptr;
}

void RunPool::set_wants_huge_pages(bool wants) {
  MutexLock lock(mutex_);
  wants_huge_pages_ = wants;
}

}  // namespace myonly::internal
