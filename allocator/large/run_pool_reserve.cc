// The run pool's addresses: reservations, of which the front is committed, and
// what becomes of them where the system has few.

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/look.h"

namespace myonly::internal {
namespace {

constexpr size_t kReservationAlignment = size_t{2} << 20;

size_t DescriptorBytes(size_t slices) {
  return AlignUp(slices * sizeof(Slice), kPageSize);
}

// Behind the last slice, where writes beyond a block fault.
constexpr size_t kGuardBytes = kPageSize;

}  // namespace

// What is reserved below the first slice: its descriptors, or where they are
// elsewhere a page that faults.
size_t RunPool::FrontBytes(size_t slices) const {
  return IsApart() ? kPageSize : DescriptorBytes(slices);
}

// Where there are addresses that can't be committed, more of them would not be
// either, and a system that refuses much may not take them back.
bool RunPool::Grow(size_t slices) {
  bool has_grown = false;
  bool has_room = false;
  for (size_t i = num_reservations_; !has_grown && i-- > 0;) {
    // All up to a multiple of what huge pages are, or to the end.
    const size_t before = reservations_[i].committed_slices();
    const size_t after =
        Min(AlignUp(before + Max(slices, grow_slices_), kGrowAlignmentSlices),
            reservations_[i].slices());
    has_grown = GrowReservation(i, Max(after - before, slices)) ||
                GrowReservation(i, slices);
    has_room |= before + slices <= reservations_[i].slices();
  }
  if (!has_grown &&
      (has_room || !(AddReservation(slices) ||
                     (ReleaseFree() && AddReservation(slices))))) {
    return false;
  }
  grow_slices_ = Min(grow_slices_ * 2, kMaxGrowSlices);
  return true;
}

void RunPool::ExpectThreads() {
  MutexLock lock(mutex_);
  grow_slices_ = kThreadsGrowSlices;
  Grow(1);
}

// Commits `slices` more, and nothing again: the program may have forbidden to
// touch some of what it has, or have another mapping there. What is new lies
// beside what is committed already, and is one mapping with it.
bool RunPool::GrowReservation(size_t index, size_t slices) {
  Reservation& reservation = reservations_[index];
  const size_t old_slices = reservation.committed_slices();
  const size_t new_slices = old_slices + slices;
  if (new_slices > reservation.slices()) return false;
  char* base = reinterpret_cast<char*>(reservation.base());
  char* start = base + old_slices * kSliceSize;
  size_t bytes = slices * kSliceSize;
  bool committed = true;
  if (IsApart()) {
    committed = apart_.Commit(index, pages_, new_slices);
  } else {
    const size_t descriptors = DescriptorBytes(new_slices);
    const size_t more = descriptors - DescriptorBytes(old_slices);
    if (old_slices == 0) {
      start -= more;
      bytes += more;
    } else if (more != 0) {
      committed = pages_.Commit(base - descriptors, more);
    }
  }
  if (!committed || !pages_.Commit(start, bytes)) return false;
  reservation.set_committed_slices(new_slices);
  Slice* run = reservation.At(old_slices);
  run->reservation = static_cast<uint8_t>(index);
  InsertFree(run, slices, /*dirty=*/false);
  return true;
}

// Where addresses are short (RLIMIT_AS, valgrind), half as much is tried until
// it works.
bool RunPool::AddReservation(size_t slices) {
  size_t index = 0;
  while (index < num_reservations_ && reservations_[index].slices() != 0) {
    ++index;
  }
  if (index == kMaxReservations) return false;
  const size_t least = Max(slices, kMinReservationSlices);
  const size_t limit = pages_.ReservationLimit() / (kSliceSize + sizeof(Slice));
  for (size_t want = Max(limit, least);; want = Max(want / 2, least)) {
    const size_t front = FrontBytes(want);
    // A small one must not lose a part of itself to its alignment.
    const size_t alignment = want * kSliceSize < 16 * kReservationAlignment
                                 ? kSliceSize
                                 : kReservationAlignment;
    const size_t bytes = front + alignment + want * kSliceSize;
    void* start = pages_.Reserve(bytes, kPageSize, PageSource::Access::kNone);
    if (start != nullptr) {
      const uintptr_t base =
          AlignUp(reinterpret_cast<uintptr_t>(start) + front, alignment);
      reservations_[index].Set(reinterpret_cast<void*>(base), want);
      if (IsApart() && !ReserveApart(index)) {
        pages_.Release(start, bytes);
        if (want == least) return false;
        continue;
      }
      if (index == 0) {
        // Before anything is committed: it stays one mapping.
        const size_t small = Min(want, kSmallPagesSlices) * kSliceSize;
        pages_.AdviseHugePages(
            start, base - reinterpret_cast<uintptr_t>(start) + small,
            /*wanted=*/false);
      }
      if (!GrowReservation(index, Min(Max(slices, grow_slices_), want)) &&
          !GrowReservation(index, slices)) {
        reservations_[index].Set(nullptr, 0);
        if (IsApart()) apart_.Release(index, pages_);
        pages_.Release(start, bytes);
        return false;
      }
      if (index == num_reservations_) num_reservations_ = index + 1;
      if (index != 0 && GrowsFromSystem()) {
        // No more than ReleaseReservation will give back.
        char* first = reinterpret_cast<char*>(base);
        ReleaseBetween(static_cast<char*>(start), first - front);
        ReleaseBetween(first + want * kSliceSize + kGuardBytes,
                       static_cast<char*>(start) + bytes);
      }
      return true;
    }
    if (want == least) return false;
  }
}

// What can't be released has no memory at least.
void RunPool::ReleaseBetween(char* start, char* end) {
  if (start == end) return;
  const auto bytes = static_cast<size_t>(end - start);
  if (!pages_.Release(start, bytes)) pages_.Purge(start, bytes);
}

bool RunPool::ReleaseReservations(bool with_poisoned) {
  MutexLock lock(mutex_);
  while (with_poisoned && TakePoisonOff()) {
  }
  return ReleaseFree();
}

bool RunPool::ReleaseFree() {
  if (num_reservations_ <= 1 || !GrowsFromSystem()) return false;
  InsertKept();
  bool has_released = false;
  for (size_t i = num_reservations_; --i != 0;) {
    has_released |= IsFree(reservations_[i]) && ReleaseReservation(i);
  }
  size_t used = num_reservations_;
  while (reservations_[used - 1].slices() == 0) --used;
  num_reservations_ = used;
  return has_released;
}

// All of it, but for guards.
bool RunPool::IsFree(const Reservation& reservation) const {
  const size_t committed = reservation.committed_slices();
  for (size_t i = 0; i < committed;) {
    const Slice* run = reservation.At(i);
    if (run->kind != RunKind::kFree && !(IsApart() && IsGuard(run))) {
      return false;
    }
    i += run->run_slices;
  }
  return committed != 0;
}

// First nobody finds an address in it any more; who has found one looks.
bool RunPool::ReleaseReservation(size_t index) {
  Reservation& reservation = reservations_[index];
  const size_t committed = reservation.committed_slices();
  reservation.Hide();
  if (Look::IsOn()) {
    reservation.set_committed_slices(committed);
    return false;
  }
  for (size_t i = 0; i < committed;) {
    Slice* run = reservation.At(i);
    i += run->run_slices;
    if (run->kind == RunKind::kFree) {
      TreeOf(run->dirty).Remove(*run);
    } else if (IsApart()) {
      ForgetGuard(run);
    }
  }
  char* base = reinterpret_cast<char*>(reservation.base());
  const size_t slices = reservation.slices();
  reservation.Set(nullptr, 0);
  if (IsApart()) apart_.Release(index, pages_);
  ReleaseBetween(base - FrontBytes(slices),
                 base + slices * kSliceSize + kGuardBytes);
  return true;
}

bool RunPool::FollowLimit() {
  MutexLock lock(mutex_);
  size_t reserved = 0;
  for (size_t i = 0; i < num_reservations_; ++i) {
    reserved += reservations_[i].slices() * kSliceSize;
  }
  if (ABSL_PREDICT_TRUE(!GrowsFromSystem() ||
                        pages_.ReservationLimit() >=
                            reserved / PageSource::kReservationPart)) {
    return false;
  }
  bool has_closed = false;
  for (size_t i = 0; i < num_reservations_; ++i) {
    Reservation& reservation = reservations_[i];
    char* base = reinterpret_cast<char*>(reservation.base());
    const size_t slices = reservation.slices();
    const size_t used = reservation.committed_slices();
    // What it gave back before may be another mapping by now.
    if (used == slices) continue;
    has_closed = true;
    reservation.Close();
    ReleaseBetween(base + used * kSliceSize + kGuardBytes,
                   base + slices * kSliceSize + (i == 0 ? 0 : kGuardBytes));
    if (IsApart()) apart_.Close(i, pages_, used);
    ReleaseBetween(base - FrontBytes(slices), base - FrontBytes(used));
  }
  return has_closed;
}

}  // namespace myonly::internal
