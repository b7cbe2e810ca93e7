#include "allocator/runtime/process_heap.h"

#include <limits.h>
#include <pthread.h>
#include <sys/auxv.h>

#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/check.h"
#include "allocator/base/mutex.h"
#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

// 16 random bytes that the kernel gives every process, without a system call.
uint64_t RandomSeed() {
  uint64_t seed = 0;
  const auto* random = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (random != nullptr) memcpy(&seed, random, sizeof(seed));
  return MixBits(seed);
}

ABSL_CONST_INIT ProcessGlobals process_globals;

__attribute__((tls_model("initial-exec"))) __thread ThisThread this_thread = {
    {}, kNoToken, kNoToken, 0, nullptr, 0, 0, false, Status::kOk};

namespace {

ProcessGlobals& g = process_globals;

void* Fail(Status status) {
  this_thread.last_status = status;
  return nullptr;
}

// --- The calling thread's share. ---

// Requests that the default arena serves before a thread gets a share of its
// own: many threads make few.
constexpr uint32_t kRequestsBeforeState = 8;

pthread_key_t thread_end_key;
bool is_watching_threads = false;

// In the last round but one of a thread's end, so that what other keys'
// destructors free still finds the state.
void OnThreadEnd(void* /*state*/) {
  constexpr uint8_t kLastRound = PTHREAD_DESTRUCTOR_ITERATIONS - 1;
  ThisThread& thread = this_thread;
  if (++thread.end_rounds < kLastRound &&
      pthread_setspecific(thread_end_key, thread.state) == 0) {
    return;
  }
  ThreadState* state = thread.state;
  thread.ended = true;
  thread.Set(nullptr);
  if (state != nullptr) g.threads.Release(state);
}

void WatchThisThread() {
  if (is_watching_threads && this_thread.state != nullptr) {
    // May allocate: the state is in use by now.
    pthread_setspecific(thread_end_key, this_thread.state);
  }
}

ABSL_ATTRIBUTE_NOINLINE ThreadState* AcquireState() {
  ThisThread& thread = this_thread;
  if (thread.ended || !thread.HasStarted()) return nullptr;
  // Alone, there is nobody to share with.
  if (!Mutex::IsSingleThreaded() && thread.requests < kRequestsBeforeState) {
    ++thread.requests;
    return nullptr;
  }
  ThreadState* state = g.threads.Acquire(thread.lists);
  if (state == nullptr) return nullptr;
  thread.Set(state);
  WatchThisThread();
  return state;
}

// NULL: it has none.
ThreadState* StateOfThisThread() {
  ThreadState* state = this_thread.state;
  return ABSL_PREDICT_TRUE(state != nullptr) ? state : AcquireState();
}

// --- From an address to what has it. ---

// Neither: the address is not a live block's. A slice may be one of no run.
struct Place {
  Slice* slice = nullptr;
  HugeMapping* mapping = nullptr;
};

Place Locate(const void* ptr) {
  Place place;
  place.slice = g.runs.Find(ptr);
  if (place.slice == nullptr) place.mapping = g.huge.Find(ptr);
  return place;
}

SubHeap& SubHeapOf(const Slice* slice) {
  return *static_cast<SubHeap*>(slice->owner);
}
Arena& ArenaOfRun(const Slice* slice) {
  return *static_cast<Arena*>(slice->owner);
}

// NULL: no live block can be there.
Arena* ArenaOfPlace(const Place& place) {
  if (place.mapping != nullptr) {
    return static_cast<Arena*>(place.mapping->owner);
  }
  if (place.slice == nullptr) return nullptr;
  switch (RunKind{place.slice->kind}) {
    case RunKind::kSlab:
    case RunKind::kSubHeapRegion:
      return &SubHeapOf(place.slice).arena();
    case RunKind::kRegion:
      return &ArenaOfRun(place.slice);
    case RunKind::kLarge:
      // Its first slice tells whether it is still in use.
      return g.runs.FindRun(place.slice)->kind == RunKind::kLarge
                 ? &ArenaOfRun(place.slice)
                 : nullptr;
    default:
      return nullptr;
  }
}

bool IsMine(const Slice* slice) {
  return reinterpret_cast<uintptr_t>(slice->owner) == this_thread.heap;
}

[[noreturn]] ABSL_ATTRIBUTE_NOINLINE void ReportUnknown(const Place& place,
                                                        const void* ptr) {
  ReportAndAbort(
      place.slice != nullptr ? "double free" : "free of a foreign address",
      ptr);
}

void CheckObject(const Slice* slab, const void* ptr) {
  if (slab->slab.carved == 0) ReportAndAbort("double free", ptr);
  if (!Slab::IsObject(slab, ptr) ||
      static_cast<const Object*>(ptr)->mark == slab) {
    Slab::ReportBadFree(slab, ptr);
  }
}

}  // namespace

// --- Freeing what is not in a slab of this thread. ---

void ProcessHeap::Free(void* ptr) { FreeInline(ptr); }

void ProcessHeap::Attend(const void* /*ptr*/, Slice* slab) {
  SubHeapOf(slab).Attend(slab);
}

void ProcessHeap::FreeOther(void* ptr, Slice* slice) {
  if (ABSL_PREDICT_FALSE(!IsMine(slice))) return FreeOfOther(ptr, slice);
  // A slab that was given up still has its owner.
  if (slice->kind != RunKind::kSubHeapRegion) {
    ReportAndAbort("double free", ptr);
  }
  SubHeapOf(slice).FreeBlock(slice, ptr);
}

void ProcessHeap::FreeOfOther(void* ptr, Slice* slice) {
  ThreadState* state = this_thread.state;
  switch (RunKind{slice->kind}) {
    case RunKind::kSubHeapRegion:
      SubHeapOf(slice).MarkPosted(slice, ptr);
      g.threads.Post(slice, static_cast<Object*>(ptr));
      return;
    case RunKind::kSlab:
      Slab::CheckAndMark(slice, ptr);
      if (ABSL_PREDICT_FALSE(state == nullptr)) state = AcquireState();
      if (ABSL_PREDICT_TRUE(state != nullptr)) {
        state->FreeRemote(slice, ptr);
      } else {
        g.threads.Post(slice, static_cast<Object*>(ptr));
      }
      return;
    case RunKind::kRegion:
      ArenaOfRun(slice).FreeBlock(slice, ptr);
      return;
    case RunKind::kLarge:
      ArenaOfRun(slice).FreeLarge(g.runs.FindRun(slice), ptr);
      return;
    default:
      ReportAndAbort("double free", ptr);
  }
}

void ProcessHeap::FreeElsewhere(void* ptr) {
  if (ptr == nullptr) return;
  const Place place = Locate(ptr);
  if (place.slice != nullptr) {
    // As Free, in another reservation than the first.
    if (place.slice->token != this_thread.token) {
      FreeOther(ptr, place.slice);
    } else if (Slab::Free(place.slice, ptr)) {
      Attend(ptr, place.slice);
    }
  } else if (place.mapping != nullptr) {
    static_cast<Arena*>(place.mapping->owner)->FreeHuge(place.mapping, ptr);
  } else {
    ReportUnknown(place, ptr);
  }
}

// --- Allocating. ---

void* ProcessHeap::AllocateSlow(size_t size) {
  if (size > kMaxSlabRequest) {
    void* ptr = AllocateMediumQuick(size);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  }
  return AllocateSlower(size);
}

ABSL_ATTRIBUTE_NOINLINE void* ProcessHeap::AllocateSlower(size_t size) {
  Status status;
  void* ptr;
  ThreadState* state = size <= kMaxBlockRequest ? StateOfThisThread() : nullptr;
  if (ABSL_PREDICT_FALSE(state == nullptr)) {
    ptr = g.default_arena.Allocate(size, &status);
  } else if (size > kMaxSlabRequest) {
    ptr = state->AllocateBlock(size, &status);
  } else {
    ptr = state->AllocateSmall(size, &status);
  }
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : Fail(status);
}

void* ProcessHeap::AllocateZeroed(size_t count, size_t size) {
  size_t bytes;
  if (ABSL_PREDICT_FALSE(__builtin_mul_overflow(count, size, &bytes))) {
    return Fail(Status::kNoMemory);
  }
  if (bytes <= kMaxBlockRequest) {
    void* ptr = Allocate(bytes);
    return ABSL_PREDICT_TRUE(ptr != nullptr) ? memset(ptr, 0, bytes) : nullptr;
  }
  Status status;
  void* ptr = g.default_arena.AllocateZeroed(bytes, &status);
  return ptr != nullptr ? ptr : Fail(status);
}

// Objects whose size is a multiple of the alignment are aligned, as slabs are.
void* ProcessHeap::AllocateAligned(size_t alignment, size_t size) {
  if (!IsPowerOfTwo(alignment)) return Fail(Status::kInvalid);
  if (alignment <= kMinAlignment) return Allocate(size);
  Status status;
  ThreadState* state =
      BlockHeap::Serves(size, alignment) ? StateOfThisThread() : nullptr;
  void* ptr;
  if (state == nullptr) {
    ptr = g.default_arena.AllocateAligned(size, alignment, &status);
  } else {
    const size_t bytes = AlignUp(Max(size, 1), alignment);
    if (bytes <= kMaxSlabRequest && state->heap().HasSlabFor(bytes)) {
      return Allocate(bytes);
    }
    ptr = state->AllocateAligned(size, alignment, &status);
  }
  return ptr != nullptr ? ptr : Fail(status);
}

// --- Resizing. ---

namespace {

// What realloc and malloc_usable_size need most: the usable bytes of a live
// object, or block of a sub-heap, in the first reservation, where almost all
// are. 0: it is something else, or bad.
size_t QuickUsableSize(const void* ptr, Slice** slice) {
  if (ABSL_PREDICT_FALSE(!g.runs.FindFirst(ptr, slice))) return 0;
  if ((*slice)->token != Slice::kNoSlab) {
    return ABSL_PREDICT_TRUE(Slab::IsLive(*slice, ptr))
               ? ObjectBytes((*slice)->slab.size_class)
               : 0;
  }
  return (*slice)->kind == RunKind::kSubHeapRegion
             ? SubHeapOf(*slice).UsableBlock(*slice, const_cast<void*>(ptr))
             : 0;
}

size_t UsableSizeOf(const Place& place, void* ptr) {
  if (place.mapping != nullptr) return Arena::UsableHuge(place.mapping, ptr);
  if (place.slice == nullptr) ReportUnknown(place, ptr);
  const Slice* slice = place.slice;
  switch (RunKind{slice->kind}) {
    case RunKind::kSlab:
      CheckObject(slice, ptr);
      return ObjectBytes(slice->slab.size_class);
    case RunKind::kSubHeapRegion:
      return SubHeapOf(slice).UsableBlock(slice, ptr);
    case RunKind::kRegion:
      return ArenaOfRun(slice).UsableBlock(slice, ptr);
    case RunKind::kLarge:
      return ArenaOfRun(slice).UsableLarge(g.runs.FindRun(slice), ptr);
    default:
      ReportUnknown(place, ptr);
  }
}

// What is not moved although it could be smaller: up to half is spare, or the
// block is small anyway.
bool IsGoodFit(size_t size, size_t usable) {
  constexpr size_t kSmall = 128;
  return size <= usable && (size > usable / 2 || usable <= kSmall);
}

bool ResizeInPlace(const Place& place, void** ptr, size_t size, bool may_move) {
  if (size > kMaxRequest) return false;
  if (place.mapping != nullptr) {
    return static_cast<Arena*>(place.mapping->owner)
        ->ResizeHuge(place.mapping, ptr, size, may_move);
  }
  if (place.slice == nullptr) ReportUnknown(place, *ptr);
  Slice* slice = place.slice;
  switch (RunKind{slice->kind}) {
    case RunKind::kSubHeapRegion:
      if (IsMine(slice)) {
        return this_thread.state->heap().ResizeBlock(slice, *ptr, size);
      }
      // Only its owner may change a block.
      return IsGoodFit(size, SubHeapOf(slice).UsableBlock(slice, *ptr));
    case RunKind::kSlab:
      CheckObject(slice, *ptr);
      return IsGoodFit(size, ObjectBytes(slice->slab.size_class));
    case RunKind::kRegion:
      return ArenaOfRun(slice).ResizeBlock(slice, *ptr, size);
    case RunKind::kLarge:
      return ArenaOfRun(slice).ResizeLarge(g.runs.FindRun(slice), *ptr, size);
    default:
      ReportUnknown(place, *ptr);
  }
}

// In place, an object or a block of a sub-heap; only its owner may change a
// block.
bool ResizeQuickly(const Slice* slice, void* ptr, size_t usable, size_t size) {
  if (slice->token == Slice::kNoSlab && IsMine(slice)) {
    return this_thread.state->heap().ResizeBlock(slice, ptr, size);
  }
  return IsGoodFit(size, usable);
}

// To a new block of the default arena.
void* Move(void* ptr, size_t usable, size_t size) {
  void* moved = ProcessHeap::Allocate(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, ptr, Min(size, usable));
  ProcessHeap::Free(ptr);
  return moved;
}

}  // namespace

void* ProcessHeap::Reallocate(void* ptr, size_t size) {
  if (ptr == nullptr) return Allocate(size);
  if (size == 0) {
    Free(ptr);
    return nullptr;
  }
  Slice* slice;
  const size_t quick = QuickUsableSize(ptr, &slice);
  if (ABSL_PREDICT_TRUE(quick != 0)) {
    return ResizeQuickly(slice, ptr, quick, size) ? ptr
                                                  : Move(ptr, quick, size);
  }
  const Place place = Locate(ptr);
  if (ResizeInPlace(place, &ptr, size, /*may_move=*/true)) return ptr;
  if (size > kMaxRequest) return Fail(Status::kNoMemory);
  const size_t usable = UsableSizeOf(place, ptr);
  Arena* arena = ArenaOfPlace(place);
  if (arena == &g.default_arena) return Move(ptr, usable, size);
  Status status;
  void* moved = arena->Allocate(size, &status);
  if (moved == nullptr) return Fail(status);
  memcpy(moved, ptr, Min(size, usable));
  Free(ptr);
  return moved;
}

bool ProcessHeap::TryResize(void* ptr, size_t size) {
  return ResizeInPlace(Locate(ptr), &ptr, size, /*may_move=*/false);
}

size_t ProcessHeap::UsableSize(const void* ptr) {
  Slice* slice;
  const size_t usable = QuickUsableSize(ptr, &slice);
  if (ABSL_PREDICT_TRUE(usable != 0)) return usable;
  if (ptr == nullptr) return 0;
  return UsableSizeOf(Locate(ptr), const_cast<void*>(ptr));
}

// --- Arenas. ---

Status ProcessHeap::CreateArena(const ArenaOptions& options, ArenaHandle* out) {
  return g.registry.Create(options, out);
}

Arena* ProcessHeap::FindArena(ArenaHandle handle, Status* status) {
  return g.registry.Find(handle, status);
}

Status ProcessHeap::DestroyArena(ArenaHandle handle, bool require_empty) {
  return g.registry.Destroy(handle, require_empty);
}

Arena& ProcessHeap::DefaultArena() { return g.default_arena; }

Status ProcessHeap::ArenaOf(const void* ptr, ArenaHandle* out) {
  const Arena* arena = ArenaOfPlace(Locate(ptr));
  *out = arena == nullptr ? 0 : arena->token();
  return arena == nullptr ? Status::kInvalid : Status::kOk;
}

size_t ProcessHeap::Purge(size_t keep_bytes) {
  size_t purged = 0;
  if (ThreadState* state = this_thread.state) purged += state->Purge();
  purged += g.threads.PurgeOrphans();
  purged += g.default_arena.Purge();
  g.registry.VisitAll([&purged](Arena& arena) { purged += arena.Purge(); });
  const size_t dirty = g.runs.dirty_bytes();
  purged += g.huge.Purge(keep_bytes - Min(dirty, keep_bytes));
  purged += g.runs.Purge(keep_bytes);
  return purged;
}

ArenaStats ProcessHeap::Stats() {
  ArenaStats stats = g.default_arena.Stats();
  ThreadState* state = this_thread.state;
  if (state != nullptr) {
    state->TakeInAll();
    state->heap().AddStats(&stats);
  }
  g.threads.AddStats(state, &stats);
  return stats;
}

namespace {

Status ReportBroken(const void* where) {
  Printer line;
  line.Text("myonlymalloc: broken invariant at ").Address(where).Text("\n");
  line.WriteTo(2);
  return Status::kCorrupt;
}

}  // namespace

Status ProcessHeap::CheckArena(Arena& arena) {
  const void* where = nullptr;
  return arena.CheckInvariants(&where) ? Status::kOk : ReportBroken(where);
}

Status ProcessHeap::CheckInvariants() {
  g.runs.CheckInvariants();
  g.huge.CheckInvariants();
  const void* where = nullptr;
  if (ThreadState* state = this_thread.state) {
    state->TakeInAll();
    if (!state->heap().CheckInvariants(&where)) return ReportBroken(where);
  }
  if (!g.threads.CheckOrphans(&where)) return ReportBroken(where);
  return CheckArena(g.default_arena);
}

void ProcessHeap::ApplyOptions(const Options& options) {
  g.runs.set_dirty_floor_bytes(options.dirty_floor);
  g.huge.set_cache_floor_bytes(options.huge_cache);
}

Status ProcessHeap::LastStatus() { return this_thread.last_status; }
void ProcessHeap::SetLastStatus(Status status) {
  this_thread.last_status = status;
}

void ProcessHeap::WatchThreads() {
  is_watching_threads = pthread_key_create(&thread_end_key, OnThreadEnd) == 0;
  WatchThisThread();
}

// In the order of ranks, so that no other thread can hold one and wait.
void ProcessHeap::PrepareFork() {
  g.threads.mutex_for_fork().LockForFork();
  g.registry.mutex_for_fork().LockForFork();
  g.default_arena.mutex_for_fork().LockForFork();
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.mutex_for_fork().LockForFork(); });
  g.runs.mutex_for_fork().LockForFork();
  g.huge.mutex_for_fork().LockForFork();
  g.metadata.mutex_for_fork().LockForFork();
  Mutex::BeginFork();
}

void ProcessHeap::ParentAfterFork() {
  Mutex::EndFork();
  g.metadata.mutex_for_fork().UnlockAfterFork();
  g.huge.mutex_for_fork().UnlockAfterFork();
  g.runs.mutex_for_fork().UnlockAfterFork();
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.mutex_for_fork().UnlockAfterFork(); });
  g.default_arena.mutex_for_fork().UnlockAfterFork();
  g.registry.mutex_for_fork().UnlockAfterFork();
  g.threads.mutex_for_fork().UnlockAfterFork();
}

void ProcessHeap::ChildAfterFork() {
  Mutex::EndFork();
  g.metadata.mutex_for_fork().ResetAfterFork();
  g.huge.mutex_for_fork().ResetAfterFork();
  g.runs.mutex_for_fork().ResetAfterFork();
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.mutex_for_fork().ResetAfterFork(); });
  g.default_arena.mutex_for_fork().ResetAfterFork();
  g.registry.mutex_for_fork().ResetAfterFork();
  g.threads.FreezeOthers(this_thread.state);
  g.threads.mutex_for_fork().ResetAfterFork();
}

}  // namespace myonly::internal
