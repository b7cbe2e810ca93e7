// Memory that is given and not reserved: its last slice may be short, and is
// for regions of blocks only.

#include <cstring>

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"

namespace myonly::internal {
namespace {

// What is shorter is not worth its descriptor.
constexpr size_t kLeastShortSlice = 1024;

}  // namespace

void RunPool::Adopt(void* start, size_t bytes) {
  MutexLock lock(mutex_);
  const auto address = reinterpret_cast<uintptr_t>(start);
  const uintptr_t first = AlignUp(address, alignof(Slice));
  const size_t slack = first - address;
  const size_t room = bytes < slack ? 0 : bytes - slack;
  size_t slices = room / (kSliceSize + sizeof(Slice));
  const size_t rest = room % (kSliceSize + sizeof(Slice));
  if (rest >= sizeof(Slice) + kLeastShortSlice) {
    // No rest of it may be too small for a block.
    const size_t short_bytes = AlignDown(rest - sizeof(Slice), sizeof(Slice));
    missing_bytes_ = kSliceSize - short_bytes;
    ++slices;
  }
  if (slices == 0) return;
  const uintptr_t base = first + slices * sizeof(Slice);
  memset(reinterpret_cast<void*>(first), 0, slices * sizeof(Slice));
  slice_alignment_ = alignof(Slice);
  Reservation& reservation = reservations_[0];
  reservation.Set(reinterpret_cast<void*>(base), slices);
  reservation.set_committed_slices(slices);
  num_reservations_ = 1;
  InsertFree(reservation.At(0), slices, /*dirty=*/true);
}

size_t RunPool::BytesOf(const Slice* run) const {
  return Peek(run->run_slices) * kSliceSize - MissingIn(run);
}

size_t RunPool::MissingInAdopted(const Slice* run) const {
  const Reservation& adopted = reservations_[0];
  return Peek(run->reservation) == 0 &&
                 adopted.IndexOf(run) + Peek(run->run_slices) ==
                     adopted.slices()
             ? missing_bytes_
             : 0;
}

size_t RunPool::SlicesAtEndFor(size_t bytes) const {
  const size_t slices = SlicesFor(bytes + missing_bytes_);
  return missing_bytes_ == 0 || slices > reservations_[0].slices() ? 0 : slices;
}

Slice* RunPool::AllocateAtEnd(size_t slices, RunKind kind, void* owner) {
  MutexLock lock(mutex_);
  InsertKept();
  const Slice* last = reservations_[0].At(reservations_[0].slices() - 1);
  if (last->kind != RunKind::kFree || last->run_slices < slices) return nullptr;
  Slice* first = reservations_[0].At(last->head);
  const size_t rest = first->run_slices - slices;
  Slice* run = Carve(dirty_, first, first->run_slices) - rest;
  MarkInUse(run, slices, kind, owner);
  if (rest != 0) InsertFree(first, rest, /*dirty=*/true);
  return run;
}

size_t RunPool::BytesIfFew() const {
  const size_t slices = reservations_[0].slices();
  return missing_bytes_ == 0 || slices > kFewSlices
             ? 0
             : slices * kSliceSize - missing_bytes_;
}

}  // namespace myonly::internal
