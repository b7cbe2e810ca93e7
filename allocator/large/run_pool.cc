#include "allocator/large/run_pool.h"

#include <cstring>
#include <initializer_list>

#include "allocator/base/check.h"
#include "allocator/base/clock.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

// Purging with time: not more often than this, and so much at a time.
constexpr uint32_t kFreesPerClockRead = 16;
constexpr uint64_t kPurgeIntervalMs = 100;
constexpr uint64_t kDecayMs = 500;
// At a time: 64 MiB, a few milliseconds; or a part of what there is, so that
// the calls of a program that makes few do.
constexpr size_t kMaxPurgeSlices = 2048;
constexpr size_t kMaxPurgePart = 8;

}  // namespace

Slice* RunPool::Allocate(size_t slices, RunKind kind, void* owner,
                         bool* zeroed) {
  MutexLock lock(mutex_);
  if (kind == RunKind::kLarge) {
    Slice*& list = KeptOf(slices);
    Slice* run = list;
    if (run != nullptr && run->run_slices == slices && run->owner == owner) {
      list = run->next;
      kept_slices_ -= slices;
      run->kind = kind;
      *zeroed = false;
      live_slices_ += slices;
      keep_.NoteLive(live_slices_);
      return run;
    }
  }
  return Take(slices, kind, owner, zeroed, /*may_grow=*/true);
}

Slice* RunPool::AllocateFree(size_t slices, RunKind kind, void* owner,
                             bool* zeroed) {
  MutexLock lock(mutex_);
  return Take(slices, kind, owner, zeroed, /*may_grow=*/false);
}

Slice* RunPool::Take(size_t slices, RunKind kind, void* owner, bool* zeroed,
                     bool may_grow) {
  size_t fresh;
  Slice* run;
  while ((run = TakeFree(slices, &fresh)) == nullptr) {
    if ((!may_grow || !Grow(slices)) && !TakePoisonOff()) return nullptr;
  }
  *zeroed = fresh == slices;
  MarkInUse(run, slices, kind, owner);
  if (IsApart() && kind != RunKind::kLarge) GuardBehind(run);
  keep_.NoteLive(live_slices_);
  if (fresh != 0) {
    keep_.NoteFresh(fresh);
    PurgeDirty(2 * fresh);
  }
  return run;
}

// `*fresh` of its slices are clean.
Slice* RunPool::TakeFree(size_t slices, size_t* fresh) {
  *fresh = 0;
  Slice* run;
  while ((run = FindDirty(slices)) == nullptr && kept_slices_ != 0) {
    InsertKept();
  }
  if (run != nullptr) return Carve(dirty_, run, slices);
  run = TakeMixed(slices, fresh);
  if (run != nullptr) return run;
  *fresh = slices;
  run = clean_.FindBestFit(slices);
  return run == nullptr ? nullptr : Carve(clean_, run, slices);
}

Slice* RunPool::FindDirty(size_t slices) {
  Slice* run = dirty_.FindBestFit(slices);
  // The next larger one: of equal ones the last slice is in the last.
  return run != nullptr && ABSL_PREDICT_FALSE(WholeSlices(run) < slices)
             ? dirty_.FindBestFit(slices + 1)
             : run;
}

// The largest dirty run with the beginning of the clean one behind it: only
// what is missing faults. Most must be there, as all of it is cleared where
// zeros are wanted.
Slice* RunPool::TakeMixed(size_t slices, size_t* fresh) {
  Slice* run = dirty_.FindLargest();
  if (run == nullptr || run->run_slices < slices / 2) return nullptr;
  *fresh = slices - run->run_slices;
  Slice* after = FreeRunAfter(run, run->run_slices);
  if (after == nullptr || after->run_slices < *fresh) return nullptr;
  dirty_.Remove(*run);
  Carve(clean_, after, *fresh);
  return run;
}

// Takes the first `slices` of a free run out of `tree`; the rest goes back.
Slice* RunPool::Carve(LargeTree& tree, Slice* run, size_t slices) {
  tree.Remove(*run);
  const size_t rest = run->run_slices - slices;
  if (rest != 0) {
    Slice* tail = run - slices;
    tail->reservation = run->reservation;
    SetFreeTags(tail, rest, run->dirty);
    tree.Insert(*tail);
  }
  return run;
}

void RunPool::MarkInUse(Slice* run, size_t slices, RunKind kind, void* owner) {
  const auto head = static_cast<uint32_t>(ReservationOf(run).IndexOf(run));
  const uint8_t reservation = run->reservation;
  for (size_t i = 0; i < slices; ++i) {
    Slice* slice = run - i;
    slice->key = Slice::kNoSlab;
    slice->owner = owner;
    slice->head = head;
    slice->reservation = reservation;
    if (i != 0) slice->kind = kind;
  }
  run->run_slices = static_cast<uint32_t>(slices);
  (run - (slices - 1))->run_slices = static_cast<uint32_t>(slices);
  run->previous = run->next = nullptr;
  // Last: who looks at all runs looks at this first.
  run->kind.Publish(kind);
  live_slices_ += slices;
}

Slice* RunPool::FindSlow(const void* address) const {
  for (size_t i = 1; i < kMaxReservations; ++i) {
    if (Slice* slice = reservations_[i].FindAsItIs(address)) return slice;
  }
  return nullptr;
}

Slice* RunPool::FindRun(const Slice* slice) const {
  const RunKind kind = slice->kind;
  if (kind != RunKind::kRegion && kind != RunKind::kSubHeapRegion &&
      kind != RunKind::kSlab && kind != RunKind::kLarge) {
    return nullptr;
  }
  return ReservationOf(slice).At(slice->head);
}

void RunPool::Free(Slice* run) {
  MutexLock lock(mutex_);
  live_slices_ -= run->run_slices;
  keep_.NoteLive(live_slices_);
  Insert(run);
}

void RunPool::FreeAndKeep(Slice* run) {
  MutexLock lock(mutex_);
  const size_t slices = run->run_slices;
  live_slices_ -= slices;
  keep_.NoteLive(live_slices_);
  if (slices > kMaxKeptSlices || kept_slices_ > kMostKeptSlices) {
    return Insert(run);
  }
  Slice*& list = KeptOf(slices);
  run->next = list;
  list = run;
  kept_slices_ += slices;
  kept_for_long_ = false;
  NoteFree();
}

void RunPool::Insert(Slice* run) {
  InsertFree(run, run->run_slices, /*dirty=*/true);
  NoteFree();
}

void RunPool::NoteFree() {
  if (++frees_ % kFreesPerClockRead == 0) PurgeOverBudget(CoarseMs());
}

void RunPool::InsertKept() {
  kept_slices_ = 0;
  for (Slice*& list : kept_) {
    while (Slice* run = list) {
      list = run->next;
      InsertFree(run, run->run_slices, /*dirty=*/true);
    }
  }
}

// Coalesces [run, run + slices) with its free neighbours of the same state and
// puts the result into its tree.
void RunPool::InsertFree(Slice* run, size_t slices, bool dirty) {
  if (IsApart()) TakeGuardsOff(run, slices, dirty);
  const uint8_t reservation = run->reservation;
  for (size_t i = 0; i < slices; ++i) {
    Slice* slice = run - i;
    slice->kind = RunKind::kFree;
    slice->reservation = reservation;
  }
  if (Slice* after = FreeRunAfter(run, slices);
      after != nullptr && after->dirty == dirty) {
    TreeOf(dirty).Remove(*after);
    slices += after->run_slices;
  }
  if (Slice* before = FreeRunBefore(run, dirty)) {
    TreeOf(dirty).Remove(*before);
    slices += before->run_slices;
    run = before;
  }
  SetFreeTags(run, slices, dirty);
  TreeOf(dirty).Insert(*run);
}

Slice* RunPool::FreeRunBefore(const Slice* run, bool dirty) {
  const Reservation& reservation = ReservationOf(run);
  if (reservation.IndexOf(run) == 0) return nullptr;
  const Slice* last = run + 1;
  if (last->kind != RunKind::kFree || last->dirty != dirty) return nullptr;
  return reservation.At(last->head);
}

Slice* RunPool::FreeRunAfter(const Slice* run, size_t slices) {
  const Reservation& reservation = ReservationOf(run);
  const size_t next = reservation.IndexOf(run) + slices;
  if (next >= reservation.committed_slices()) return nullptr;
  Slice* after = reservation.At(next);
  return after->kind == RunKind::kFree ? after : nullptr;
}

void RunPool::SetFreeTags(Slice* run, size_t slices, bool dirty) {
  Slice* last = run - (slices - 1);
  last->reservation = run->reservation;
  const auto head = static_cast<uint32_t>(ReservationOf(run).IndexOf(run));
  for (Slice* tag : {run, last}) {
    tag->kind = RunKind::kFree;
    tag->dirty = dirty;
    tag->head = head;
    tag->run_slices = static_cast<uint32_t>(slices);
    tag->owner = nullptr;
  }
}

void RunPool::FreePoisoned(Slice* run, bool has_guard) {
  const size_t slices = run->run_slices;
  mutex_.Lock();
  // Nobody looks into it any more, whoever finds it by an address.
  MarkInUse(run, slices, RunKind::kBusy, nullptr);
  live_slices_ -= 2 * slices;
  poisoned_slices_ += slices;
  mutex_.Unlock();
  const bool faults = TakeAccess(run, has_guard);
  MutexLock lock(mutex_);
  if (!faults) {
    // Half of it may be done.
    pages_.Commit(AddressOf(run), slices * kSliceSize);
    poisoned_slices_ -= slices;
    InsertFree(run, slices, /*dirty=*/true);
    return;
  }
  ++poisoned_runs_;
  if (poisoned_ == nullptr) {
    poisoned_ = run;
  } else {
    last_poisoned_->next = run;
  }
  last_poisoned_ = run;
  while ((poisoned_slices_ > kMaxPoisonedSlices ||
          poisoned_runs_ > kMaxPoisonedRuns) &&
         TakePoisonOff()) {
  }
}

bool RunPool::TakePoisonOff() {
  Slice* run = poisoned_;
  if (run == nullptr) return false;
  const size_t slices = run->run_slices;
  if (!GiveAccess(run)) return false;
  poisoned_ = run->next;
  poisoned_slices_ -= slices;
  --poisoned_runs_;
  InsertFree(run, slices, /*dirty=*/false);
  return true;
}

// Commits what is missing behind a run that is to have `slices`, if all behind
// it is clean or not committed yet.
void RunPool::GrowBehind(const Slice* run, size_t slices) {
  const Reservation& reservation = ReservationOf(run);
  const size_t committed = reservation.committed_slices();
  const size_t first = reservation.IndexOf(run);
  if (first + slices <= committed) return;
  const Slice* after = FreeRunAfter(run, run->run_slices);
  const size_t clean =
      after == nullptr || after->dirty ? 0 : size_t{after->run_slices};
  if (first + run->run_slices + clean != committed) return;
  GrowReservation(run->reservation,
                  AlignUp(first + slices, kGrowAlignmentSlices) - committed);
}

bool RunPool::Extend(Slice* run, size_t slices) {
  MutexLock lock(mutex_);
  InsertKept();
  const size_t old_slices = run->run_slices;
  GrowBehind(run, slices);
  Slice* after = FreeRunAfter(run, old_slices);
  if (after == nullptr || old_slices + WholeSlices(after) < slices) {
    return false;
  }
  Carve(TreeOf(after->dirty), after, slices - old_slices);
  live_slices_ -= old_slices;
  Slice* previous = run->previous;
  Slice* next = run->next;
  MarkInUse(run, slices, run->kind, run->owner);
  run->previous = previous;
  run->next = next;
  return true;
}

void RunPool::Shrink(Slice* run, size_t slices) {
  MutexLock lock(mutex_);
  const size_t rest = run->run_slices - slices;
  run->run_slices = static_cast<uint32_t>(slices);
  (run - (slices - 1))->run_slices = static_cast<uint32_t>(slices);
  live_slices_ -= rest;
  InsertFree(run - slices, rest, /*dirty=*/true);
}

size_t RunPool::Purge(size_t keep_bytes) {
  MutexLock lock(mutex_);
  InsertKept();
  size_t purged = 0;
  while (dirty_.slices() * kSliceSize > keep_bytes) {
    const size_t excess = dirty_.slices() * kSliceSize - keep_bytes;
    const size_t slices =
        PurgeLargest(AlignUp(excess, kSliceSize) / kSliceSize);
    if (slices == 0) break;
    purged += slices * kSliceSize;
  }
  return purged;
}

void RunPool::NotePagesElsewhere(size_t taken_bytes, size_t live_bytes) {
  MutexLock lock(mutex_);
  elsewhere_slices_ = live_bytes / kSliceSize;
  PurgeDirty(2 * taken_bytes / kSliceSize);
}

size_t RunPool::PurgeInside(char* start, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(start);
  const uintptr_t first = AlignUp(address, kPageSize);
  const uintptr_t end = AlignDown(address + bytes, kPageSize);
  if (first >= end) return 0;
  return pages_.Purge(reinterpret_cast<void*>(first), end - first) ? end - first
                                                                   : 0;
}

// Purges up to `most_slices` of the largest dirty run. Returns how many; 0 if
// there is none or the system refuses.
size_t RunPool::PurgeLargest(size_t most_slices) {
  Slice* run = dirty_.FindLargest();
  if (run == nullptr || most_slices == 0) return 0;
  const size_t slices = Min(run->run_slices, most_slices);
  Carve(dirty_, run, slices);
  MarkInUse(run, slices, RunKind::kBusy, nullptr);
  mutex_.Unlock();
  const bool purged = pages_.Purge(AddressOf(run), slices * kSliceSize);
  mutex_.Lock();
  live_slices_ -= slices;
  InsertFree(run, slices, /*dirty=*/!purged);
  return purged ? slices : 0;
}

size_t RunPool::DirtyBudgetSlices() const {
  return Max(Max(dirty_floor_slices_, (live_slices_ + elsewhere_slices_) / 32),
             keep_.Get(live_slices_));
}

// Purges up to `slices` of what is over the budget.
void RunPool::PurgeDirty(size_t slices) {
  while (slices != 0) {
    InsertKept();
    const size_t excess =
        dirty_.slices() - Min(dirty_.slices(), DirtyBudgetSlices());
    const size_t purged = PurgeLargest(Min(slices, excess));
    if (purged == 0) break;
    slices -= purged;
    keep_.NoteDropped(purged);
  }
}

bool RunPool::PurgeWithTime(uint64_t now_ms) {
  MutexLock lock(mutex_);
  PurgeOverBudget(now_ms);
  return last_purge_ms_ != 0;
}

// In half a second all that was over the budget is purged.
void RunPool::PurgeOverBudget(uint64_t now_ms) {
  if (kept_for_long_) InsertKept();
  kept_for_long_ = true;
  // With time the peak is forgotten also by who calls for little.
  keep_.Decay(live_slices_, now_ms);
  const size_t budget = DirtyBudgetSlices();
  if (dirty_.slices() + kept_slices_ <= budget) {
    last_purge_ms_ = 0;
    return;
  }
  if (last_purge_ms_ == 0) last_purge_ms_ = now_ms;
  // Another thread may have read the clock later and come here first.
  const uint64_t elapsed = now_ms - Min(now_ms, last_purge_ms_);
  if (elapsed < kPurgeIntervalMs) return;
  last_purge_ms_ = now_ms;
  InsertKept();
  const size_t excess = dirty_.slices() - budget;
  PurgeDirty(Min(Max(excess * Min(elapsed, kDecayMs) / kDecayMs, size_t{8}),
                 Max(kMaxPurgeSlices, excess / kMaxPurgePart)));
}

void RunPool::set_dirty_floor_bytes(size_t bytes) {
  MutexLock lock(mutex_);
  dirty_floor_slices_ = bytes / kSliceSize;
}

size_t RunPool::dirty_bytes() {
  MutexLock lock(mutex_);
  return (dirty_.slices() + kept_slices_) * kSliceSize;
}

size_t RunPool::live_bytes() {
  MutexLock lock(mutex_);
  return live_slices_ * kSliceSize;
}

void RunPool::CheckInvariants() {
  BrokenInvariant broken;
  if (!Check(&broken)) ReportAndAbort(broken.what, broken.where);
}

bool RunPool::CheckTree(bool dirty, size_t* free_slices,
                        BrokenInvariant* broken) {
  const Slice* bad = nullptr;
  const auto check = [this, &bad, free_slices, dirty](const Slice& run) {
    const Reservation& reservation = ReservationOf(&run);
    const Slice* last = &run - (run.run_slices - 1);
    *free_slices += run.run_slices;
    if (run.kind != RunKind::kFree || last->kind != RunKind::kFree ||
        run.dirty != dirty || last->dirty != dirty ||
        run.head != reservation.IndexOf(&run) || last->head != run.head ||
        last->run_slices != run.run_slices) {
      bad = &run;
    }
  };
  if (!TreeOf(dirty).Check(check)) {
    return broken->Is("broken tree of free runs", this);
  }
  return bad == nullptr ||
         broken->Is("broken descriptor of a free run", AddressOf(bad));
}

bool RunPool::Check(BrokenInvariant* broken) {
  MutexLock lock(mutex_);
  size_t free_slices = 0;
  if (!CheckTree(/*dirty=*/true, &free_slices, broken) ||
      !CheckTree(/*dirty=*/false, &free_slices, broken)) {
    return false;
  }
  size_t committed = 0;
  for (size_t i = 0; i < num_reservations_; ++i) {
    const Reservation& reservation = reservations_[i];
    const size_t slices = reservation.committed_slices();
    committed += slices;
    const Slice* previous = nullptr;
    for (size_t index = 0; index < slices;) {
      const Slice* run = reservation.At(index);
      if (run->head != index || run->run_slices == 0 ||
          index + run->run_slices > slices) {
        return broken->Is("broken descriptor of a run",
                          reservation.AddressOf(run));
      }
      if (previous != nullptr && previous->kind == RunKind::kFree &&
          run->kind == RunKind::kFree && previous->dirty == run->dirty) {
        return broken->Is("free runs that are not coalesced",
                          reservation.AddressOf(run));
      }
      previous = run;
      index += run->run_slices;
    }
  }
  const size_t guards = IsApart() ? apart_.guards().count : 0;
  return committed == free_slices + kept_slices_ + poisoned_slices_ + guards +
                          live_slices_ ||
         broken->Is("wrong count of free runs", this);
}

}  // namespace myonly::internal
