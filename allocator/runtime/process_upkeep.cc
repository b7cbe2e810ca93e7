// The process heap as a whole: its arenas, purging, statistics, checks, options
// and fork.

#include "allocator/arena/arena_registry.h"
#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/look.h"
#include "allocator/runtime/guarded_heap.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/request_gate.h"
#include "allocator/runtime/sampling.h"
#include "allocator/threads/thread_registry.h"

namespace myonly::internal {
namespace {

ProcessGlobals& g = process_globals;

SliceCache* SlicesOfThisThread() {
  ThreadState* state = this_thread.state;
  return state == nullptr ? nullptr : state->slices();
}

}  // namespace

Status ProcessHeap::LastStatus() { return this_thread.last_status; }
void ProcessHeap::SetLastStatus(Status status) {
  this_thread.last_status = status;
}

Arena* ProcessHeap::FindArena(ArenaHandle handle, Status* status) {
  return g.registry.Find(handle, status);
}

Arena& ProcessHeap::DefaultArena() { return g.default_arena; }

Status ProcessHeap::CreateArena(const ArenaOptions& options, ArenaHandle* out) {
  return g.registry.Create(options, out);
}

Status ProcessHeap::CreateArenaIn(void* buffer, size_t bytes,
                                  const ArenaOptions& options,
                                  ArenaHandle* out) {
  // Access can't be taken from memory of others.
  return options.poisons_on_reset ? Status::kUnsupported
                                  : g.own.CreateIn(buffer, bytes, options, out);
}

Status ProcessHeap::CreateArenaOver(const PageFunctions& pages,
                                    const ArenaOptions& options,
                                    ArenaHandle* out) {
  return options.poisons_on_reset ? Status::kUnsupported
                                  : g.own.CreateOver(pages, options, out);
}

Status ProcessHeap::DestroyArena(ArenaHandle handle, bool require_empty) {
  Status status;
  Arena* arena = g.registry.Find(handle, &status);
  if (arena == nullptr) return status;
  if (g.own.HasGuestOf(handle)) return Status::kBusy;
  OwnGround* ground = arena->ground();
  status = g.registry.Destroy(handle, require_empty, SlicesOfThisThread());
  if (status == Status::kOk && ground != nullptr) g.own.Remove(ground);
  TellIfNews();  // its parents'
  return status;
}

Status ProcessHeap::ResetArena(ArenaHandle handle) {
  Status status;
  Arena* arena = g.registry.Find(handle, &status);
  if (arena == nullptr) return status;
  if (g.own.HasGuestOf(handle)) return Status::kBusy;
  if (!arena->ResetIf(handle, SlicesOfThisThread())) return Status::kStale;
  TellIfNews();
  return Status::kOk;
}

namespace {

// The shares of this thread and, under the registry's lock, of orphans.
bool MayLook(uintptr_t token) {
  return token == this_thread.token || ThreadRegistry::IsOrphan(token);
}

// The registry's lock while the shares of an arena are looked at. One with
// memory of its own has none, and must not be waited for with that lock: its
// page functions are the program's, and may want it to allocate elsewhere.
class ABSL_SCOPED_LOCKABLE SharesLock {
 public:
  explicit SharesLock(const Arena& arena)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(g.threads.mutex())
          ABSL_NO_THREAD_SAFETY_ANALYSIS : locks_(arena.ground() == nullptr) {
    if (locks_) g.threads.mutex().Lock();
  }
  SharesLock(const SharesLock&) = delete;
  SharesLock& operator=(const SharesLock&) = delete;
  ~SharesLock() ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (locks_) g.threads.mutex().Unlock();
  }

 private:
  const bool locks_;
};

}  // namespace

namespace {

// What threads, but for the caller, and arenas keep for later goes to the run
// pool, or is asked for. With `pages` also those inside of blocks; their bytes.
ABSL_ATTRIBUTE_COLD size_t ReleaseKept(bool pages) {
  const auto release = [pages](Arena& arena) -> size_t {
    return pages ? arena.Purge(MayLook) : arena.ReleaseSpare(MayLook);
  };
  size_t purged = release(g.default_arena);
  size_t slot = 0;
  while (Arena* arena = g.registry.BeginVisit(&slot)) {
    // Nobody else could use what one with memory of its own keeps, and this may
    // be a page function of it.
    if (pages || arena->ground() == nullptr) {
      const SharesLock lock(*arena);
      purged += release(*arena);
    }
    g.registry.EndVisit(arena);
  }
  // Last, as threads are told to look what they were asked for.
  return purged + g.threads.PurgeOthers(this_thread.state, pages);
}

}  // namespace

size_t ProcessHeap::Purge(size_t keep_bytes) {
  size_t purged = 0;
  if (ThreadState* state = this_thread.state) purged += state->Purge();
  purged += ReleaseKept(/*pages=*/true);
  const size_t dirty = g.runs.dirty_bytes();
  purged += g.huge.Purge(keep_bytes - Min(dirty, keep_bytes));
  purged += g.runs.Purge(keep_bytes);
  if (keep_bytes == 0 && g.runs.has_more_reservations()) {
    g.runs.ReleaseReservations(/*with_poisoned=*/false);
  }
  TellIfNews();
  return purged;
}

void ProcessHeap::PurgeIdle(uint64_t now_ms) {
  g.threads.PurgeOldOrphan(now_ms);
  g.threads.ReleaseIdleSlices(now_ms);
  g.runs.PurgeWithTime(now_ms);
  g.huge.PurgeWithTime(now_ms);
}

void ProcessHeap::LookElsewhere(SubHeap* heap, uint8_t news) {
  if ((news & SubHeap::kTicked) != 0) {
    const uint64_t now_ms = CoarseMs();
    heap->set_more_elsewhere(g.threads.PurgeOldOrphan(now_ms));
    g.threads.ReleaseIdleSlices(now_ms);
    ThreadState* state = this_thread.state;
    if (state != nullptr && g.threads.IsAsked(state)) {
      if constexpr (kIsSecure) GuardedHeap::FlushQuarantine();
      state->ReleaseAsked();
    }
  }
  if ((news & SubHeap::kGrown) != 0) g.threads.ReclaimFromOrphan();
}

void ProcessHeap::PurgeArena(Arena& arena, ArenaHandle handle,
                             size_t keep_bytes) {
  {
    SharesLock lock(arena);
    arena.PurgeTo(handle, keep_bytes, MayLook);
    g.threads.NoteAsk();
  }
  g.threads.ReleaseSlices();
  g.huge.Purge(keep_bytes);
  g.runs.Purge(keep_bytes);
  TellIfNews();
}

void ProcessHeap::NoteIdle() {
  ThisThread& thread = this_thread;
  ThreadState* state = thread.state;
  if (state == nullptr) return;
  if constexpr (kIsSecure) GuardedHeap::FlushQuarantine();
  state->heap().ReleaseSpare();
  state->slices()->Release(g.runs);
  thread.Set(nullptr);
  thread.requests = UINT8_MAX;  // enough for a state, with the next one
  g.threads.Release(state);
}

void ProcessHeap::MakeRoom() {
  if constexpr (kIsSecure) {
    GuardedHeap::FlushQuarantine();
    while (g.huge.ReleaseOldest()) {
    }
  }
  if (ThreadState* state = this_thread.state) {
    state->heap().ReleaseSpare();
    state->slices()->Release(g.runs);
  }
  ReleaseKept(/*pages=*/false);
  // Free runs of two states don't become one.
  g.runs.Purge(0);
}

bool ProcessHeap::ReleaseSpareOf(Arena& arena) {
  SharesLock lock(arena);
  g.threads.NoteAsk();
  return arena.ReleaseSpare(MayLook);
}

Status ProcessHeap::StatusOf(ArenaHandle handle) {
  if (handle == 0) return Status::kOk;
  Status status;
  Arena* arena = g.registry.Find(handle, &status);
  if (arena == nullptr) return status;
  // It goes first, then its handle; or its place is another's by now.
  if (!arena->PeekIsOpen()) return Status::kStale;
  return g.registry.Find(handle, &status) != nullptr ? Status::kOk : status;
}

namespace {

ArenaStats StatsWithShares(Arena& arena) {
  SharesLock lock(arena);
  return arena.Stats(MayLook);
}

}  // namespace

ArenaStats ProcessHeap::StatsOf(Arena& arena) {
  const ArenaStats stats = StatsWithShares(arena);
  TellIfNews();  // it has taken in what others had freed
  return stats;
}

ArenaHandle ProcessHeap::NextStats(size_t* slot, ArenaStats* stats) {
  Arena* arena = g.registry.BeginVisit(slot);
  if (arena == nullptr) return 0;
  *stats = StatsWithShares(*arena);
  const ArenaHandle handle = arena->token();
  g.registry.EndVisit(arena);
  TellIfNews();
  return handle;
}

ArenaStats ProcessHeap::Stats() {
  ArenaStats stats = g.default_arena.Stats(MayLook);
  ThreadState* state = this_thread.state;
  if (state != nullptr) state->heap().AddStats(&stats);
  g.threads.AddStats(state, &stats);
  AddZeroSizeStats(&stats);
  if constexpr (kIsSecure) Sampling::AddStats(&stats);
  return stats;
}

void ProcessHeap::ReportBroken(const BrokenInvariant& broken) {
  Printer line;
  line.Text("myonlymalloc: broken invariant: ").Text(broken.what);
  line.Text(" at ").Address(broken.where).Text("\n").WriteTo(2);
}

bool ProcessHeap::CheckArena(Arena& arena, BrokenInvariant* broken) {
  bool holds;
  {
    SharesLock lock(arena);
    holds = arena.CheckInvariants(MayLook, broken) &&
            (arena.ground() == nullptr || arena.runs().Check(broken));
  }
  TellIfNews();
  return holds;
}

bool ProcessHeap::CheckInvariants(BrokenInvariant* broken) {
  ThreadState* state = this_thread.state;
  return g.runs.Check(broken) && g.huge.Check(broken) &&
         (state == nullptr || state->heap().CheckInvariants(broken)) &&
         g.threads.CheckOrphans(broken) && CheckArena(g.default_arena, broken);
}

void ProcessHeap::ApplyOptions(const Options& options) {
  g.runs.set_dirty_floor_bytes(options.dirty_floor);
  g.huge.set_cache_floor_bytes(options.huge_cache);
  g.runs.set_wants_huge_pages(options.huge_pages);
  g.huge.set_wants_huge_pages(options.huge_pages);
  g.zero_size.set_is_on(options.zero_size_faults);
  SlabPool::set_sweeps_at_once(options.background);
  BlockHeap::set_purges_at_once(options.background);
}

namespace {

ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void Open(Mutex& mutex,
                                                      bool is_child) {
  is_child ? mutex.ResetAfterFork() : mutex.UnlockAfterFork();
}

// Arenas with memory of their own, all or none.
ABSL_ATTRIBUTE_COLD bool LockOwnArenas(uint32_t most_ms) {
  size_t slot = 0;
  while (Arena* arena = g.registry.NextLocked(&slot)) {
    if (arena->ground() == nullptr ||
        arena->mutex_for_fork().TryLockForFork(most_ms)) {
      continue;
    }
    size_t before = 0;
    Arena* locked;
    while ((locked = g.registry.NextLocked(&before)) != arena) {
      if (locked->ground() != nullptr) {
        Open(locked->mutex_for_fork(), /*is_child=*/false);
      }
    }
    return false;
  }
  return true;
}

}  // namespace

void ProcessHeap::PrepareFork() {
  for (uint32_t ms = 1; !TryPrepareFork(ms);) LetOthersGoOn(&ms);
}

// Whoever holds one for long is a function of the program, and ends with time;
// others hold it for a moment, unless the machine is very busy.
void ProcessHeap::LetOthersGoOn(uint32_t* ms) {
  SleepMs(*ms);
  if (*ms < 64) *ms *= 2;
}

// In the order of ranks, so that no other thread can hold one and wait; but
// threads in page functions of the program can.
bool ProcessHeap::TryPrepareFork(uint32_t most_ms) {
  g.threads.mutex().LockForFork();
  g.registry.mutex_for_fork().LockForFork();
  if (!LockOwnArenas(most_ms)) {
    Open(g.registry.mutex_for_fork(), /*is_child=*/false);
    Open(g.threads.mutex(), /*is_child=*/false);
    return false;
  }
  g.default_arena.mutex_for_fork().LockForFork();
  g.registry.VisitAllLocked([](Arena& arena) {
    if (arena.ground() == nullptr) arena.mutex_for_fork().LockForFork();
  });
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.quota().mutex_for_fork().LockForFork(); });
  Pressure::mutex_for_fork().LockForFork();
  g.registry.VisitAllLocked([](Arena& arena) {
    if (arena.ground() != nullptr) arena.runs().mutex_for_fork().LockForFork();
  });
  g.runs.mutex_for_fork().LockForFork();
  g.huge.mutex_for_fork().LockForFork();
  g.own.mutex_for_fork().LockForFork();
  g.metadata.mutex_for_fork().LockForFork();
  if constexpr (kIsSecure) Sampling::mutex_for_fork().LockForFork();
  Mutex::BeginFork();
  return true;
}

namespace {

// Every lock that TryPrepareFork has taken.
ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void OpenAll(bool is_child) {
  const auto open = [is_child](Mutex& mutex) { Open(mutex, is_child); };
  if constexpr (kIsSecure) open(Sampling::mutex_for_fork());
  open(g.metadata.mutex_for_fork());
  open(g.own.mutex_for_fork());
  open(g.huge.mutex_for_fork());
  open(g.runs.mutex_for_fork());
  open(Pressure::mutex_for_fork());
  g.registry.VisitAllLocked([open](Arena& arena) {
    if (arena.ground() != nullptr) open(arena.runs().mutex_for_fork());
    open(arena.quota().mutex_for_fork());
    open(arena.mutex_for_fork());
  });
  open(g.default_arena.mutex_for_fork());
  open(g.registry.mutex_for_fork());
  open(g.threads.mutex());
}

}  // namespace

void ProcessHeap::ParentAfterFork() {
  Mutex::EndFork();
  OpenAll(/*is_child=*/false);
}

void ProcessHeap::ChildAfterFork() {
  Mutex::EndFork();
  Look::ResetAfterFork();
  if constexpr (kIsSecure) Sampling::ChildAfterFork();
  g.registry.VisitAllLocked([](Arena& arena) {
    arena.visitors() = 0;  // were other threads
    arena.quota().ForgetOthersAfterFork();
  });
  g.threads.FreezeOthers(RequestGate::OwnState());
  OpenAll(/*is_child=*/true);
}

}  // namespace myonly::internal
