// Runs of slices: what all arenas take their regions and large blocks from, and
// the way from an address to its descriptor.
//
// Allocate: best fit among dirty runs (resident: no page fault), then a dirty
//           one with a part of the clean one behind it, then clean ones, then
//           more of the reservation is committed, then a further reservation
//           is made.
// Free:     coalesce with free neighbours of the same state; purge what is over
//           the budget.
// Invariants: no two free runs of one state are adjacent; a free run's first
// and last descriptors agree; a free run is in the tree of its state.
// The large run that was freed last is kept as it is: whoever allocates and
// frees one size in turn pays for no tree and no descriptors.
// Memory: while fresh pages must be taken, dirty free pages are kept below
// max(dirty floor, 1/32 of what is live here and elsewhere, KeepBudget's), by
// purging twice as much as is taken; later frees purge what has been left
// dirty, a little at a time.
//
// In the secure preset slices that fault stand between runs that are cut into
// blocks, as kMaxRunsPerGuard tells.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_LARGE_RUN_POOL_H_
#define MYONLY_ALLOCATOR_LARGE_RUN_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "allocator/base/invariant.h"
#include "allocator/base/mutex.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/guard/apart_metadata.h"
#include "allocator/guard/live_map.h"
#include "allocator/large/backoff.h"
#include "allocator/large/keep_budget.h"
#include "allocator/large/large_tree.h"
#include "allocator/pages/look.h"
#include "allocator/pages/page_source.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

// Of the secure preset: slices that fault, which stand between runs.
struct GuardSlices {
  size_t count = 0;
  size_t mappings = 0;   // of them, those that are mappings of the process
  size_t runs_left = 0;  // that are cut off before the next one
  uint64_t random = 0;
};

// What a run pool needs more in the secure preset, for each reservation.
template <bool kIsApart, size_t kReservations>
struct ApartParts {
  static bool Reserve(size_t, PageSource&, uintptr_t, size_t) { return true; }
  static void Release(size_t, PageSource&) {}
  static bool Commit(size_t, PageSource&, size_t) { return false; }
  static void Close(size_t, PageSource&, size_t) {}
  static uintptr_t DescriptorsEnd(size_t) { return 0; }
  static LiveMap Live(size_t) { return LiveMap(); }
  static GuardSlices& guards() {
    static GuardSlices none;
    return none;
  }
};
template <size_t kReservations>
class ApartParts<true, kReservations> {
 public:
  bool Reserve(size_t index, PageSource& pages, uintptr_t base, size_t slices) {
    return of_[index].Reserve(pages, base, slices);
  }
  void Release(size_t index, PageSource& pages) { of_[index].Release(pages); }
  bool Commit(size_t index, PageSource& pages, size_t slices) {
    return of_[index].Commit(pages, slices);
  }
  void Close(size_t index, PageSource& pages, size_t slices) {
    of_[index].Close(pages, slices);
  }
  uintptr_t DescriptorsEnd(size_t index) const {
    return of_[index].descriptors_end();
  }
  const LiveMap& Live(size_t index) const { return of_[index].live(); }
  GuardSlices& guards() { return guards_; }

 private:
  GuardSlices guards_;
  ApartMetadata of_[kReservations];
};

// What is expected of a fresh run.
struct Growth {
  // Who has less like it is not known to use what it takes.
  static constexpr size_t kLeastDenseBytes = size_t{512} << 10;

  size_t bytes_soon = 0;  // the first ones, which will soon be written to
  bool is_dense = false;  // its owner has much like it, and uses most of that
};

class RunPool {
 public:
  constexpr explicit RunPool(PageSource& pages) : pages_(pages) {}

  // The descriptor of the slice at `address`, or NULL if no reservation has it.
  // Safe for every address; takes no lock.
  Slice* Find(const void* address) const {
    Slice* slice;
    return ABSL_PREDICT_TRUE(FindFirst(address, &slice)) ? slice
                                                         : FindSlow(address);
  }
  // The same, but only in the first reservation, where almost all slices are.
  bool FindFirst(const void* address, Slice** slice) const {
    return reservations_[0].Find(address, slice);
  }

  // The first descriptor of the run in use that has `slice`; NULL if it is in
  // none.
  Slice* FindRun(const Slice* slice) const;

  // The first descriptor of the run that has `slice`, or had it: for those who
  // look at memory that may be given back meanwhile.
  const Slice* HeadOf(const Slice* slice) const {
    return reservations_[Peek(slice->reservation)].At(Peek(slice->head));
  }
  char* PeekAddress(const Slice* slice) const {
    return reservations_[Peek(slice->reservation)].AddressOf(slice);
  }
  // How many slices of a reservation have been in use so far.
  size_t SlicesIn(size_t reservation) const {
    return reservations_[reservation].committed_slices();
  }
  // Slice number `index` of a reservation; NULL: it has no more.
  const Slice* SliceAt(size_t reservation, size_t index) const {
    if (reservation >= kMaxReservations) return nullptr;
    return index < reservations_[reservation].committed_slices()
               ? reservations_[reservation].At(index)
               : nullptr;
  }

  // Where the run begins.
  char* AddressOf(const Slice* run) const {
    return reservations_[run->reservation].AddressOf(run);
  }

  // In the secure preset: which blocks are live where a run of this pool is.
  // Not for memory that it has adopted.
  LiveMap LiveMapOf(const Slice* slice) const {
    return apart_.Live(slice->reservation);
  }
  // The same of what FindFirst has found: nothing is read.
  LiveMap FirstLiveMap() const { return apart_.Live(0); }
  // No block of the run in use is live.
  void ClearLive(const Slice* run) const {
    if (IsApart()) ClearLiveApart(run);
  }

  // Memory that nobody has to be asked for, and all there is but for what a
  // page source gives: slices with their descriptors. Not zero. The last slice
  // is short where that uses more of it; no run of Allocate has that one. Only
  // as the first call.
  ABSL_ATTRIBUTE_COLD void Adopt(void* start, size_t bytes);
  // How many slices of the end, with the short one, make up `bytes`; 0: there
  // is no short slice, or it can't be done.
  ABSL_ATTRIBUTE_COLD size_t SlicesAtEndFor(size_t bytes) const;
  // A run of them, or NULL.
  ABSL_ATTRIBUTE_COLD Slice* AllocateAtEnd(size_t slices, RunKind kind,
                                           void* owner);
  // All that was adopted, if that is little: not enough for a large block
  // beside a region. Else 0.
  ABSL_ATTRIBUTE_COLD size_t BytesIfFew() const;
  // What the short slice is short of; 0: there is none.
  size_t missing_bytes() const { return missing_bytes_; }
  // Of a run in use.
  size_t BytesOf(const Slice* run) const;
  // Nothing is purged because there is much of it.
  void KeepEverything() {
    keeps_everything_ = true;
    set_dirty_floor_bytes(SIZE_MAX / 2);
  }
  // Whether it is memory of the process that other free memory could become.
  bool GrowsFromSystem() const { return !keeps_everything_; }
  // Of the addresses where slices begin.
  size_t slice_alignment() const { return slice_alignment_; }

  // A run of `slices` (> 0) for `owner`, or NULL. `*zeroed` tells whether all
  // its pages read as zero.
  Slice* Allocate(size_t slices, RunKind kind, void* owner, bool* zeroed);

  // The same, but only from free runs: nothing more is committed.
  ABSL_ATTRIBUTE_COLD Slice* AllocateFree(size_t slices, RunKind kind,
                                          void* owner, bool* zeroed);

  // Takes a run in use back.
  void Free(Slice* run);

  // The same for a kLarge run that the caller has marked kBusy. It stays whole
  // for the owner's next request of its size, and its other slices look as if
  // it were in use, until nothing else that is free is large enough for some
  // request.
  void FreeAndKeep(Slice* run);

  // Takes a run in use back and lets every touch of it fault, until
  // kMaxPoisonedSlices have been freed so after it or addresses are short; not
  // at all where the system refuses. `has_guard`: a page in it faults already,
  // by Guard.
  ABSL_ATTRIBUTE_COLD void FreePoisoned(Slice* run, bool has_guard = false);

  // In the secure preset: the pages [start, start + bytes) of a run in use
  // fault when they are touched, until FreePoisoned. False: the system can't do
  // that.
  bool Guard(char* start, size_t bytes) {
    return !Look::IsOn() && pages_.Guard(start, bytes);
  }
  // Some of these fault no longer. False: they still do.
  bool Unguard(char* start, size_t bytes) {
    return pages_.Unguard(start, bytes);
  }
  // Makes resident at once what will soon be written to of a fresh run, or all
  // that lies around it.
  ABSL_ATTRIBUTE_COLD void Populate(Slice* run, Growth growth);

  // Makes a run in use larger, in place, or changes nothing and returns false.
  ABSL_ATTRIBUTE_COLD bool Extend(Slice* run, size_t slices);

  // Gives the end of a run in use back. 0 < `slices` < its size.
  ABSL_ATTRIBUTE_COLD void Shrink(Slice* run, size_t slices);

  // If the system allows fewer addresses than are reserved by now (RLIMIT_AS),
  // gives those back that are not committed: they count, also for mappings of
  // others. More are reserved in pieces then. True: it did.
  ABSL_ATTRIBUTE_COLD bool FollowLimit();

  // A first look at whether there is more than one reservation.
  bool has_more_reservations() const {
    return num_reservations_.load(std::memory_order_relaxed) > 1;
  }
  // Gives back the addresses of what has been reserved beside the first, as far
  // as nothing in it is in use; `with_poisoned`: nor faults on purpose. True:
  // it did.
  ABSL_ATTRIBUTE_COLD bool ReleaseReservations(bool with_poisoned);

  // Purges dirty free runs, the largest first, until at most `keep_bytes` stay.
  // Returns the bytes that were purged.
  ABSL_ATTRIBUTE_COLD size_t Purge(size_t keep_bytes);

  // More than one thread will take from it: it commits 32 MiB more now, and at
  // least as much whenever it grows. Where the system changes a mapping,
  // threads that touch fresh memory of the process sleep, as do those that wait
  // for the lock, and what sleeps may be woken on a processor that is taken.
  ABSL_ATTRIBUTE_COLD void ExpectThreads();

  // For owners that have pages elsewhere, `live_bytes` of them. They have just
  // taken `taken_bytes` from the system: dirty free runs over the budget are
  // purged, twice as much.
  ABSL_ATTRIBUTE_COLD void NotePagesElsewhere(size_t taken_bytes,
                                              size_t live_bytes);

  // Purges some of what has been over the budget for a while; cheap when that
  // is nothing. True: there is more. `now_ms` is CoarseMs().
  ABSL_ATTRIBUTE_COLD bool PurgeWithTime(uint64_t now_ms);

  // Purges the whole pages inside [start, start + bytes), which its owner does
  // not use. Returns the bytes.
  ABSL_ATTRIBUTE_COLD size_t PurgeInside(char* start, size_t bytes);

  // Dirty free memory up to here is always kept.
  ABSL_ATTRIBUTE_COLD void set_dirty_floor_bytes(size_t bytes);

  // Whether fresh memory behind the first kSmallPagesSlices is populated by
  // huge pages, where the system has them and small runs grow into it, or large
  // ones of up to 256 KiB.
  ABSL_ATTRIBUTE_COLD void set_wants_huge_pages(bool wants);

  // Bytes in free runs that may be resident, and in runs in use.
  ABSL_ATTRIBUTE_COLD size_t dirty_bytes();
  ABSL_ATTRIBUTE_COLD size_t live_bytes();

  // False if an invariant does not hold: `*broken` says which.
  ABSL_ATTRIBUTE_COLD bool Check(BrokenInvariant* broken);
  // Dies then.
  ABSL_ATTRIBUTE_COLD void CheckInvariants();

  Mutex& mutex_for_fork() { return mutex_; }

  // Where addresses are limited a reservation has 1/16 of them, or less.
  static constexpr size_t kMaxReservations = 32;

  // What may fault at a time: addresses only, 1 GiB; and not too many mappings
  // of the process, which the system limits.
  static constexpr size_t kMaxPoisonedSlices = 32768;
  static constexpr size_t kMaxPoisonedRuns = 4096;

  // In the secure preset a slab or region is followed by a slice that faults,
  // unless one of the next kMaxRunsPerGuard - 1 is, or one more where nothing
  // free was behind it; until both of its neighbours are free. Where the system
  // has no guards, so many at a time.
  static constexpr size_t kMaxRunsPerGuard = 4;
  static constexpr size_t kMaxGuardMappings = 4096;

  // Memory fills from below: a heap smaller than this has no huge pages, of
  // which the first touch takes 2 MiB; 16 MiB.
  static constexpr size_t kSmallPagesSlices = 512;

 private:
  // Runs that stay whole: so large at most, so much in all, lists for so many
  // sizes.
  static constexpr size_t kMaxKeptSlices = 136;  // 4 MiB and a bit
  static constexpr size_t kMostKeptSlices = kIsSecure ? 0 : 8192;  // 256 MiB
  static constexpr size_t kKeptLists = 32;

  Slice* FindSlow(const void* address) const;

  // What the run lacks because its last slice is short.
  size_t MissingIn(const Slice* run) const {
    return ABSL_PREDICT_TRUE(missing_bytes_ == 0) ? 0 : MissingInAdopted(run);
  }
  ABSL_ATTRIBUTE_COLD size_t MissingInAdopted(const Slice* run) const;
  // Of a free run: how many slices of it may be a run of Allocate.
  size_t WholeSlices(const Slice* run) const {
    return run->run_slices - (MissingIn(run) != 0 ? 1 : 0);
  }

  // Allocate, step by step.
  Slice* Take(size_t slices, RunKind kind, void* owner, bool* zeroed,
              bool may_grow) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slice* TakeFree(size_t slices, size_t* fresh)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slice* FindDirty(size_t slices) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD Slice* TakeMixed(size_t slices, size_t* fresh)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slice* Carve(LargeTree& tree, Slice* run, size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool Grow(size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool GrowReservation(size_t index, size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool AddReservation(size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t FrontBytes(size_t slices) const;
  ABSL_ATTRIBUTE_COLD void ReleaseBetween(char* start, char* end);
  ABSL_ATTRIBUTE_COLD bool ReleaseFree() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFree(const Reservation& reservation) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool ReleaseReservation(size_t index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD void GrowBehind(const Slice* run, size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The oldest run that faults is usable again. False: there is none, or the
  // system refuses.
  ABSL_ATTRIBUTE_COLD bool TakePoisonOff()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `rest` of it is free and clean. False: the system can't.
  ABSL_ATTRIBUTE_COLD bool PopulateUnit(char* unit, Slice* rest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The unit of 2 MiB that a fresh run ends in, if all behind is as fresh, and
  // a part of it that is worth a huge page.
  ABSL_ATTRIBUTE_COLD char* FreshUnit(const Slice* run, size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkInUse(Slice* run, size_t slices, RunKind kind, void* owner)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Free, step by step.
  void Insert(Slice* run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteFree() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slice*& KeptOf(size_t slices) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return kept_[Min(slices, kKeptLists) - 1];
  }
  void InsertKept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InsertFree(Slice* run, size_t slices, bool dirty)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slice* FreeRunBefore(const Slice* run, bool dirty)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slice* FreeRunAfter(const Slice* run, size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool CheckTree(bool dirty, size_t* free_slices, BrokenInvariant* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetFreeTags(Slice* run, size_t slices, bool dirty)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Purging gives the lock up around the system call.
  ABSL_ATTRIBUTE_COLD size_t PurgeLargest(size_t most_slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t DirtyBudgetSlices() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD void PurgeDirty(size_t slices)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD void PurgeOverBudget(uint64_t now_ms)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // In the secure preset, unless the memory is the program's:
  // run_pool_apart.cc.
  bool IsApart() const { return kIsSecure && !keeps_everything_; }
  ABSL_ATTRIBUTE_COLD bool ReserveApart(size_t index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ClearLiveApart(const Slice* run) const;
  // Every touch of a run that nobody uses faults from now on; and no longer.
  // False: the system refuses.
  ABSL_ATTRIBUTE_COLD bool TakeAccess(Slice* run, bool has_guard);
  ABSL_ATTRIBUTE_COLD bool GiveAccess(Slice* run);
  // A guard behind a run that has just been cut off, if it is time for one.
  ABSL_ATTRIBUTE_COLD void GuardBehind(const Slice* run)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // [run, run + slices) is about to be free: so are guards next to it that have
  // a free run on their other side. They become dirty where both sides are, so
  // that the three are one.
  ABSL_ATTRIBUTE_COLD void TakeGuardsOff(Slice* run, size_t slices, bool dirty)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeGuardOff(Slice* guard, bool dirty)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD void ForgetGuard(const Slice* guard)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsGuard(const Slice* slice) const {
    return slice->kind == RunKind::kBusy && slice->owner == this;
  }

  LargeTree& TreeOf(bool dirty) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return dirty ? dirty_ : clean_;
  }
  const Reservation& ReservationOf(const Slice* run) const {
    return reservations_[run->reservation];
  }

  PageSource& pages_;
  size_t slice_alignment_ = kSliceSize;
  size_t missing_bytes_ = 0;  // of the last slice of what was adopted
  bool keeps_everything_ = false;
  // Written under the lock, read without: a slot is written before any address
  // in it is handed out, and committed sizes only grow, until all of a slot but
  // the first goes back while nobody looks (pages/look.h).
  Reservation reservations_[kMaxReservations] = {};
  Mutex mutex_{LockRank::kRunPool};
  LargeTree dirty_ ABSL_GUARDED_BY(mutex_);
  LargeTree clean_ ABSL_GUARDED_BY(mutex_);
  // By size, by `next`; of the last list all that is larger.
  Slice* kept_[kKeptLists] ABSL_GUARDED_BY(mutex_) = {};
  size_t kept_slices_ ABSL_GUARDED_BY(mutex_) = 0;
  Slice* poisoned_ ABSL_GUARDED_BY(mutex_) = nullptr;  // the oldest; by `next`
  Slice* last_poisoned_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t poisoned_slices_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t poisoned_runs_ ABSL_GUARDED_BY(mutex_) = 0;
  bool kept_for_long_ ABSL_GUARDED_BY(mutex_) = false;
  bool wants_huge_pages_ ABSL_GUARDED_BY(mutex_) = false;
  bool saw_dense_ ABSL_GUARDED_BY(mutex_) = false;
  const char* last_unit_ ABSL_GUARDED_BY(mutex_) = nullptr;  // populated
  // The system may have no huge page ready, or others touch what it puts
  // together.
  Backoff huge_pages_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> num_reservations_{0};  // written under the lock
  size_t live_slices_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t elsewhere_slices_ ABSL_GUARDED_BY(mutex_) = 0;  // live, not ours
  KeepBudget keep_ ABSL_GUARDED_BY(mutex_){kPeakShift};
  size_t grow_slices_ ABSL_GUARDED_BY(mutex_) = kFirstGrowSlices;
  size_t dirty_floor_slices_ ABSL_GUARDED_BY(mutex_) = kDirtyFloorSlices;
  uint32_t frees_ ABSL_GUARDED_BY(mutex_) = 0;
  // When memory over the budget was purged last or began to be; 0: it is not.
  uint64_t last_purge_ms_ ABSL_GUARDED_BY(mutex_) = 0;

  ApartParts<kIsSecure, kMaxReservations> apart_ = {};

  // What has not grown into faults, also for who writes beyond a block.
  static constexpr size_t kFirstGrowSlices = 16;       // 512 KiB
  static constexpr size_t kThreadsGrowSlices = 1024;   // 32 MiB
  static constexpr size_t kGrowAlignmentSlices = 64;   // 2 MiB
  static constexpr size_t kMaxGrowSlices = 2048;       // 64 MiB
  static constexpr size_t kMinReservationSlices = 64;  // 2 MiB
  static constexpr size_t kDirtyFloorSlices = 32;      // 1 MiB
  static constexpr size_t kFewSlices = 4;
  static constexpr int kPeakShift = 6;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_RUN_POOL_H_
