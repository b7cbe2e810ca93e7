#include "allocator/runtime/process_heap.h"

#include <pthread.h>
#include <sys/resource.h>

#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/check.h"
#include "allocator/base/mutex.h"
#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/guarded_heap.h"
#include "allocator/runtime/place.h"
#include "allocator/runtime/request_gate.h"

namespace myonly::internal {

ABSL_CONST_INIT ProcessGlobals process_globals;

__attribute__((tls_model("initial-exec"))) __thread ThisThread this_thread = {
    {},
    kNoToken,
    kNoToken,
    0,
    0,
    nullptr,
    {&no_share_at_0, &no_share, &no_share, &no_share, &no_share, &no_share,
     &no_share, &no_share},
    nullptr,
    0,
    false,
    false,
    Status::kOk};

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

// In whichever round of the thread's end this is first: a thread whose first
// calls came from another key's destructor may be in its last one, which nobody
// can tell. What other destructors do later goes without a state.
void OnThreadEnd(void* /*state*/) {
  RequestGate::Open();
  ThisThread& thread = this_thread;
  if constexpr (kIsSecure) GuardedHeap::FlushQuarantine();
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

// What is committed counts for RLIMIT_DATA, as stacks do: under such a limit it
// had better be used.
void ExpectThreads() {
  if (!g.expects_threads.exchange(true, std::memory_order_relaxed) &&
      MmapPageSource::LimitOf(RLIMIT_DATA) == RLIM_INFINITY) {
    g.runs.ExpectThreads();
  }
}

ABSL_ATTRIBUTE_COLD ThreadState* AcquireState() {
  ThisThread& thread = this_thread;
  if (thread.ended || thread.gated != nullptr || !thread.HasStarted()) {
    return nullptr;
  }
  // Alone, there is nobody to share with.
  if (!Mutex::IsSingleThreaded()) {
    ExpectThreads();
    if (!kIsSecure && thread.requests < kRequestsBeforeState) {
      ++thread.requests;
      return nullptr;
    }
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

void PostOne(Slice* slice, void* ptr) {
  auto* object = static_cast<Object*>(ptr);
  SubHeap::Post(slice, {object, object, 1});
}

}  // namespace

ThreadState* ProcessHeap::StateForGate() {
  this_thread.requests = kRequestsBeforeState;
  return StateOfThisThread();
}

// --- Freeing what is not in a slab of this thread. ---

void ProcessHeap::Free(void* ptr) { FreeInline(ptr); }

void ProcessHeap::Attend(const void* /*ptr*/, Slice* slab) noexcept {
  const ThreadState* state = this_thread.state;
  auto* heap = static_cast<SubHeap*>(slab->owner);
  heap->Attend(slab, state == nullptr || state->HasToPost());
  TellIfNews();
}

void ProcessHeap::FreeOther(void* ptr, Slice* slice,
                            uintptr_t token_at) noexcept {
  ThreadState* state = this_thread.state;
  if (ABSL_PREDICT_TRUE(state != nullptr &&
                        state->FreeRemoteQuick(slice, ptr, token_at))) {
    return;
  }
  FreeOtherSlow(ptr, slice);
}

// What an arena of the program has freed is posted at once: nothing of it may
// wait here when it is reset.
ABSL_ATTRIBUTE_NOINLINE void ProcessHeap::FreeOtherSlow(void* ptr,
                                                        Slice* slice) {
  if (slice->key == Slice::kNoSlab) slice = g.own.Refine(ptr, slice);
  const auto [kind, owner] = HolderOfInline(slice);
  switch (kind) {
    case RunKind::kSubHeapRegion: {
      SubHeap& heap = *static_cast<SubHeap*>(owner);
      if (heap.token() == this_thread.token) {
        if (!heap.FreeBlockQuick(ptr)) heap.FreeBlock(slice, ptr);
        break;
      }
      if (heap.MarkPosted(slice, ptr)) PostOne(slice, ptr);
      return;
    }
    case RunKind::kSlab: {
      // It was given up, and is not in use.
      if (slice->key == Slice::kNoSlab) return ReportMisuse("double free", ptr);
      if (!Slab::CheckAndMark(slice, ptr)) return;
      ThreadState* state = this_thread.state;
      if (ABSL_PREDICT_FALSE(state == nullptr)) state = AcquireState();
      if (state != nullptr && !static_cast<SubHeap*>(owner)->is_open()) {
        return state->FreeRemote(slice, ptr);
      }
      return PostOne(slice, ptr);
    }
    case RunKind::kRegion:
      static_cast<Arena*>(owner)->FreeBlock(slice, ptr);
      break;
    case RunKind::kLarge: {
      auto* arena = static_cast<Arena*>(owner);
      if (g.own.has_any() && HasGuest(*arena, {slice, nullptr})) {
        return ReportMisuse(kGuestLost, ptr);
      }
      arena->FreeLarge(slice, ptr);
      break;
    }
    default:
      return ReportMisuse("double free", ptr);
  }
  TellIfNews();
}

void ProcessHeap::FreeElsewhere(void* ptr) noexcept {
  if (ptr == nullptr) return;
  if (g.zero_size.Has(ptr)) return FreeZeroSize(ptr);
  const Place place = Locate(ptr);
  if (place.slice != nullptr) {
    // As Free, in another reservation than the first.
    const uintptr_t token = Slab::TokenAt(place.slice, ptr);
    if (token != this_thread.token) {
      FreeOther(ptr, place.slice, token);
    } else if (Slab::FreeObject(place.slice, ptr, token)) {
      Attend(ptr, place.slice);
    }
  } else if (place.mapping != nullptr) {
    auto* arena = static_cast<Arena*>(Peek(place.mapping->owner));
    if (arena == nullptr) return ReportMisuse("double free", ptr);
    if (g.own.has_any() && HasGuest(*arena, place)) {
      return ReportMisuse(kGuestLost, ptr);
    }
    arena->FreeHuge(place.mapping, ptr);
    TellIfNews();
  } else {
    ReportMisuse("free of a foreign address", ptr);
  }
}

// --- Allocating. ---

namespace {

ABSL_ATTRIBUTE_NOINLINE void* AllocateDefault(size_t size, size_t alignment,
                                              bool again = true) {
  Status status;
  ThreadState* state = size <= kMaxBlockRequest ? StateOfThisThread() : nullptr;
  void* ptr;
  if (ABSL_PREDICT_FALSE(state == nullptr)) {
    if (!RequestGate::Admits(size)) return Fail(Status::kNoMemory);
    ptr = g.default_arena.AllocateAligned(size, alignment, &status);
  } else {
    ptr = state->Allocate(state->heap(), size, alignment, &status);
    const uint8_t news = state->heap().TakeNews();
    if (ABSL_PREDICT_FALSE(news != 0)) {
      ProcessHeap::LookElsewhere(&state->heap(), news);
    }
  }
  if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  return again && ProcessHeap::MakeRoomIn(g.default_arena, size, status)
             ? AllocateDefault(size, alignment, /*again=*/false)
             : Fail(status);
}

// Apart from what is not: that needs no stack.
ABSL_ATTRIBUTE_NOINLINE void* AllocateNear(size_t size) {
  ThreadState* state = this_thread.state;
  void* ptr = size > kMaxSlabRequest ? state->AllocateBlockBack(size)
                                     : state->AllocateBack(SizeClassFor(size));
  return ABSL_PREDICT_TRUE(ptr != nullptr)
             ? ptr
             : AllocateDefault(size, kMinAlignment);
}

ABSL_ATTRIBUTE_COLD void* AllocateOfNone() {
  void* ptr = ProcessHeap::AllocateZeroSize();
  return ptr != nullptr ? ptr : AllocateDefault(0, kMinAlignment);
}

}  // namespace

void* ProcessHeap::Allocate(size_t size) {
  void* ptr = AllocateQuick(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : AllocateSlow(size);
}

void* ProcessHeap::AllocateSlow(size_t size) {
  if (ABSL_PREDICT_FALSE(size == 0)) return AllocateOfNone();
  return size < this_thread.quick_bytes_end
             ? AllocateNear(size)
             : AllocateDefault(size, kMinAlignment);
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
  if (!RequestGate::Admits(bytes)) return Fail(Status::kNoMemory);
  Status status;
  void* ptr = g.default_arena.AllocateZeroed(bytes, &status);
  if (ptr == nullptr && MakeRoomIn(g.default_arena, bytes, status)) {
    ptr = g.default_arena.AllocateZeroed(bytes, &status);
  }
  return ptr != nullptr ? ptr : Fail(status);
}

#ifdef MYONLY_PRESET_SECURE
void* ProcessHeap::AllocateToGrow(size_t size) {
  if (!RequestGate::Admits(size)) return Fail(Status::kNoMemory);
  Status status;
  void* ptr = g.default_arena.AllocateToGrow(size, &status);
  if (ptr == nullptr && MakeRoomIn(g.default_arena, size, status)) {
    ptr = g.default_arena.AllocateToGrow(size, &status);
  }
  return ptr != nullptr ? ptr : Fail(status);
}
#endif

void* ProcessHeap::AllocateAligned(size_t alignment, size_t size) {
  if (!IsPowerOfTwo(alignment)) return Fail(Status::kInvalid);
  if (alignment <= kMinAlignment) return Allocate(size);
  // Objects whose size is a multiple of the alignment are aligned.
  if ((size | alignment) < 2 * kMaxSlabRequest) {  // no sum overflows
    void* ptr = AllocateQuick(AlignUp(Max(size, 1), alignment));
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  }
  return AllocateDefault(size, alignment);
}

// --- Arenas of the program. ---

namespace {

// This thread's share of the arena, from now on remembered; NULL: it has none.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline SubHeap* ShareOf(ArenaHandle handle) {
  const ThreadState* state = this_thread.state;
  if (state == nullptr) return nullptr;
  const size_t slot = ArenaRegistry::SlotOf(handle);
  SubHeap* share = state->ShareIn(slot);
  if (share == nullptr || share->handle != handle) return nullptr;
  this_thread.recent_shares[slot % ThisThread::kRecentShares] = share;
  return share;
}

// Where there is less room than this a share has to be earned.
constexpr size_t kSpareOfBusyShare = size_t{2} << 20;

// This thread's share of the arena, opened if it is time. NULL: it has none,
// and the arena is in `*arena`; if that is NULL, too, `*status` says why.
ABSL_ATTRIBUTE_COLD SubHeap* OpenShareOf(ArenaHandle handle, size_t size,
                                         Arena** arena, Status* status) {
  *arena = g.registry.Find(handle, status);
  if (*arena == nullptr) return nullptr;
  if (!RequestGate::AdmitsTo(**arena, size)) {
    *arena = nullptr;
    *status = Status::kNoMemory;
    return nullptr;
  }
  ThreadState* state = StateOfThisThread();
  if (state == nullptr || (*arena)->faults().is_on() ||
      (*arena)->quota().counts_blocks() || (*arena)->poisons() ||
      (*arena)->ground() != nullptr) {
    return nullptr;
  }
  const size_t slot = ArenaRegistry::SlotOf(handle);
  SubHeap* share = state->ShareIn(slot);
  if (share != nullptr && share->handle == handle) return share;
  const bool is_time = (share != nullptr && share->was_busy() &&
                        (*arena)->quota().HasSpare(kSpareOfBusyShare)) ||
                       state->NoteRequest(handle, (*arena)->resets());
  return is_time ? g.threads.OpenShare(state, slot, **arena) : nullptr;
}

}  // namespace

void* ProcessHeap::AllocateInSlow(ArenaHandle handle, size_t size,
                                  size_t alignment) {
  SubHeap* share = ShareOf(handle);
  const size_t size_class = SizeClassFor(size);
  if (ABSL_PREDICT_TRUE(alignment == kMinAlignment) &&
      ABSL_PREDICT_TRUE(size_class < kNumSizeClasses) &&
      ABSL_PREDICT_TRUE(share != nullptr)) {
    // It had been forgotten for others; or the list is empty.
    void* ptr = Slab::TakeFirst(&share->lists[size_class], this_thread.token);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  }
  return AllocateInSlower(handle, share, size, alignment);
}

// Apart, so that what is above needs no stack.
ABSL_ATTRIBUTE_NOINLINE void* ProcessHeap::AllocateInSlower(ArenaHandle handle,
                                                            SubHeap* share,
                                                            size_t size,
                                                            size_t alignment) {
  Status status;
  Arena* arena = nullptr;
  void* ptr = nullptr;
  if (ABSL_PREDICT_FALSE(share == nullptr)) {
    share = OpenShareOf(handle, size, &arena, &status);
  } else if (alignment == kMinAlignment && size <= kMaxSlabRequest) {
    ptr = this_thread.state->AllocateOrGrow(*share, SizeClassFor(size));
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  }
  if (ABSL_PREDICT_TRUE(share != nullptr)) {
    ptr = this_thread.state->Allocate(*share, size, alignment, &status);
  } else if (arena != nullptr) {
    ptr = arena->AllocateAligned(size, alignment, &status);
  }
  return ABSL_PREDICT_TRUE(ptr != nullptr && !Pressure::HasNews())
             ? ptr
             : FinishAllocateIn(handle, ptr, size, alignment, status);
}

// More than a share serves.
void* ProcessHeap::AllocatePagesZeroedIn(ArenaHandle handle, size_t size) {
  Status status;
  void* ptr = nullptr;
  if (Arena* arena = g.registry.Find(handle, &status)) {
    if (RequestGate::AdmitsTo(*arena, size)) {
      ptr = arena->AllocateZeroed(size, &status);
    } else {
      status = Status::kNoMemory;
    }
  }
  return ptr != nullptr && !Pressure::HasNews()
             ? ptr
             : FinishAllocateIn(handle, ptr, size, 0, status);
}

void* ProcessHeap::AllocateZeroedIn(ArenaHandle handle, size_t count,
                                    size_t size) {
  size_t bytes;
  if (ABSL_PREDICT_FALSE(__builtin_mul_overflow(count, size, &bytes))) {
    return Fail(Status::kNoMemory);
  }
  if (bytes <= kMaxBlockRequest) {
    // Looks for an object first, as the quick path does, in less code.
    void* ptr = AllocateInSlow(handle, bytes, kMinAlignment);
    return ABSL_PREDICT_TRUE(ptr != nullptr) ? memset(ptr, 0, bytes) : nullptr;
  }
  return AllocatePagesZeroedIn(handle, bytes);
}

void* ProcessHeap::AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                     size_t size) {
  if (!IsPowerOfTwo(alignment)) return Fail(Status::kInvalid);
  return AllocateInSlow(handle, size, Max(alignment, kMinAlignment));
}

void ProcessHeap::WatchThreads() {
  is_watching_threads = pthread_key_create(&thread_end_key, OnThreadEnd) == 0;
  WatchThisThread();
}

}  // namespace myonly::internal
