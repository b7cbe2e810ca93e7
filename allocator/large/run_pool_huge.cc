// The run pool's part of making fresh memory resident: where runs grow into it
// that need all of it, 2 MiB are one huge page.

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"

namespace myonly::internal {
namespace {

constexpr size_t kUnitSlices = (size_t{2} << 20) / kSliceSize;
// Larger runs may be buffers that are never filled; 256 KiB.
constexpr size_t kMaxDenseSlices = 8;
// Of a unit, so much is worth it: putting it together takes as long as eight
// faults or so.
constexpr size_t kLeastFreshSlices = kUnitSlices / 4;

}  // namespace

// The lock is given up while the system is at work, a millisecond or more. What
// is left of the unit is busy meanwhile: others take the next one, as the
// system gives up where somebody touches what it puts together.
//
// Of a large run nothing is known. Where small ones are used up, it mostly is.
void RunPool::Populate(Slice* run, Growth growth) {
  const size_t slices = run->run_slices;
  {
    MutexLock lock(mutex_);
    saw_dense_ |= growth.is_dense;
    if ((growth.is_dense || (saw_dense_ && run->kind == RunKind::kLarge)) &&
        slices <= kMaxDenseSlices) {
      if (char* unit = FreshUnit(run, slices)) {
        const bool has_paid = PopulateUnit(unit, run - slices);
        huge_pages_.Note(has_paid);
        if (has_paid) {
          last_unit_ = unit;
          return;
        }
      }
    }
  }
  if (growth.bytes_soon > kPageSize) {
    pages_.Populate(AddressOf(run), growth.bytes_soon);
  }
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

char* RunPool::FreshUnit(const Slice* run, size_t slices) {
  const Reservation& reservation = ReservationOf(run);
  const size_t first = reservation.IndexOf(run);
  const size_t end = first + slices;
  const size_t unit = AlignDown(end - 1, kUnitSlices);
  const size_t unit_end = unit + kUnitSlices;
  char* start = reservation.AddressOf(reservation.At(unit));
  if (!wants_huge_pages_ || start == last_unit_ ||
      unit_end - first < kLeastFreshSlices ||
      (run->reservation == 0 && unit < kSmallPagesSlices)) {
    return nullptr;
  }
  const Slice* rest = FreeRunAfter(run, slices);
  if (rest == nullptr || rest->dirty || end + rest->run_slices < unit_end) {
    return nullptr;
  }
  const auto address = reinterpret_cast<uintptr_t>(start);
  return IsAligned(address, kUnitSlices * kSliceSize) &&
                 huge_pages_.ShallTry(slices * kSliceSize)
             ? start
             : nullptr;
}

void RunPool::set_wants_huge_pages(bool wants) {
  MutexLock lock(mutex_);
  wants_huge_pages_ = wants;
}

}  // namespace myonly::internal
