#include "allocator/runtime/guarded_heap.h"

#include <cstring>

#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/guard_keys.h"
#include "allocator/base/mutex.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/guard/canary.h"
#include "allocator/guard/live_map.h"
#include "allocator/guard/quarantine.h"
#include "allocator/guard/zeros.h"
#include "allocator/pages/look.h"
#include "allocator/runtime/arena_life.h"
#include "allocator/runtime/request_gate.h"
#include "allocator/runtime/sampling.h"
#include "allocator/threads/thread_state.h"

namespace myonly::internal {

// In the other presets this file is empty.
#ifdef MYONLY_PRESET_SECURE

namespace {

ProcessGlobals& g = process_globals;

// A place where a guarded block may begin: in a slab or a region.
struct Place {
  Slice* slice;
  Holder holder;  // another thread may free the same, and it be given up
  bool is_in_slab;
  LiveMap live;
};

ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool FindPlace(const void* ptr,
                                                   Place* place) {
  if (ABSL_PREDICT_TRUE(g.runs.FindFirst(ptr, &place->slice))) {
    place->live = g.runs.FirstLiveMap();
  } else {
    place->slice = g.runs.Find(ptr);
    if (place->slice == nullptr) return false;
    place->live = g.runs.LiveMapOf(place->slice);
  }
  place->holder = HolderOfInline(place->slice);
  place->is_in_slab = place->slice->key != Slice::kNoSlab;
  const RunKind kind = place->holder.kind;
  if (place->is_in_slab) return kind == RunKind::kSlab;
  // An arena may have the memory of a block.
  return (kind == RunKind::kSubHeapRegion || kind == RunKind::kRegion) &&
         g.own.Refine(ptr, place->slice) == place->slice;
}

// In the memory that an arena has of its own, be that a block of this heap.
bool IsGuest(const void* ptr) { return g.own.Refine(ptr, nullptr) != nullptr; }

bool IsSampled(const void* ptr) { return Sampling::Has(ptr) && !IsGuest(ptr); }

// Of the block that begins there. Dies if its header was overwritten.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t BytesAt(const Place& place,
                                                   void* ptr) {
  if (ABSL_PREDICT_TRUE(place.is_in_slab)) {
    return ObjectBytes(place.slice->slab.size_class);
  }
  void* owner = place.holder.owner;
  return place.holder.is_share()
             ? static_cast<SubHeap*>(owner)->UsableBlock(place.slice, ptr)
             : static_cast<Arena*>(owner)->UsableBlock(place.slice, ptr);
}

Arena& OwnerOf(const Place& place) {
  void* owner = place.holder.owner;
  return place.holder.is_share() ? static_cast<SubHeap*>(owner)->arena()
                                 : *static_cast<Arena*>(owner);
}

bool IsAlone() { return Mutex::IsSingleThreaded(); }

bool IsAlignedBlock(const void* ptr) {
  return IsAligned(reinterpret_cast<uintptr_t>(ptr), kMinAlignment);
}

// What has to be asked for, so that there is room for a canary, or so much that
// it comes as pages.
size_t WithCanary(size_t size) {
  // Quick lists have blocks for a bit more than kMaxBlockRequest.
  static_assert(BlockHeap::kMaxQuickRequest >= kMaxBlockRequest);
  return size <= BlockHeap::kMaxQuickRequest ? size + Canary::kBytes : size;
}
bool MayBeBlock(size_t size) {
  return WithCanary(size) <= BlockHeap::kMaxQuickRequest;
}

// Makes what WithCanary(size) has given a live block of `size` bytes. With
// `is_fresh` nobody has written to it since it was free. NULL stays NULL.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void* Protect(void* ptr, size_t size,
                                                  bool is_fresh) {
  Place place;
  if (ABSL_PREDICT_FALSE(!FindPlace(ptr, &place))) return ptr;
  const size_t bytes = BytesAt(place, ptr);
  if (ABSL_PREDICT_FALSE(
          bytes < size + Canary::kBytes ||
          (place.is_in_slab && !Slab::StartsObject(place.slice, ptr)) ||
          !place.live.MarkLive(ptr, IsAlone()))) {
    ReportAndAbort("overwritten link to a free block", ptr);
  }
  if (place.is_in_slab && is_fresh) {
    auto* object = static_cast<Object*>(ptr);
    Clear(object, sizeof(Object));
    if (ABSL_PREDICT_FALSE(!IsZero(object + 1, bytes - sizeof(Object)))) {
      ReportMisuse("write to a free block", ptr);
      Clear(object + 1, bytes - sizeof(Object));
    }
  }
  Canary::Write(ptr, bytes, size);
  return ptr;
}

// `ptr` is in a slab or a region, but no live block begins there.
ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void ReportNotLive(
    const Place& place, void* ptr) {
  const char* what = "double free";
  if (place.is_in_slab) {
    if (!Slab::IsObject(place.slice, ptr)) {
      what = "free of an address inside a block";
    }
  } else if (place.holder.is_share()) {
    auto* share = static_cast<SubHeap*>(place.holder.owner);
    what = share->WhyNotLive(place.slice, ptr);
  } else {
    what = OwnerOf(place).WhyNotLive(place.slice, ptr);
  }
  ReportMisuse(what, ptr);
}

ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void ReportOverflow(void* ptr) {
  ReportMisuse("write behind the end of a block", ptr);
}

// The payload of a live block. False: there is none, or something was written
// behind it, which is reported.
bool SizeAt(const Place& place, void* ptr, size_t* bytes, size_t* size) {
  if (ABSL_PREDICT_FALSE(!IsAlignedBlock(ptr) || !place.live.IsLive(ptr))) {
    ReportNotLive(place, ptr);
    return false;
  }
  *bytes = BytesAt(place, ptr);
  if (ABSL_PREDICT_TRUE(Canary::Read(ptr, *bytes, size))) return true;
  // Another thread may have freed it meanwhile.
  place.live.IsLive(ptr) ? ReportOverflow(ptr) : ReportNotLive(place, ptr);
  return false;
}

// Nobody has written to a block in quarantine; else it is reported.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool IsCleared(
    const Quarantine::Entry& entry) {
  if (ABSL_PREDICT_TRUE(IsZero(entry.ptr, entry.bytes))) return true;
  ReportMisuse("write to a free block", entry.ptr);
  return false;
}

// What is in quarantine no more is free, unless it was written to: then it is
// not used again. Objects of slabs are looked at when they are handed out, but
// for what a list of them overwrites.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Release(
    const Quarantine::Entry& entry) {
  const bool is_object = entry.bytes % kMinAlignment == 0;
  const size_t bytes = is_object ? sizeof(Object) : entry.bytes;
  if (ABSL_PREDICT_TRUE(IsCleared({entry.ptr, bytes}))) {
    ProcessHeap::Free(entry.ptr);
  }
}

// NULL: this thread has none, or what an arena of the program holds may not
// wait when that is reset.
Quarantine* QuarantineFor(const Place& place) {
  ThreadState* state = this_thread.state;
  if (ABSL_PREDICT_FALSE(state == nullptr || OwnerOf(place).token() != 0)) {
    return nullptr;
  }
  Quarantine& quarantine = state->secure().quarantine;
  if (ABSL_PREDICT_FALSE(!quarantine.is_seeded())) {
    quarantine.Seed(guard_keys.order ^ state->id() << 32);
  }
  return &quarantine;
}

}  // namespace

// --- Allocating. ---

void* GuardedHeap::Allocate(size_t size) {
  if (Sampling::IsDue()) {
    void* sampled = Sampling::Allocate(size, kMinAlignment);
    if (sampled != nullptr) return sampled;
  }
  if (ABSL_PREDICT_FALSE(size == 0)) {
    void* ptr = ProcessHeap::AllocateZeroSize();
    if (ptr != nullptr) return ptr;
  }
  return Protect(ProcessHeap::Allocate(WithCanary(size)), size,
                 /*is_fresh=*/true);
}

void* GuardedHeap::AllocateZeroed(size_t count, size_t size) {
  size_t bytes;
  if (ABSL_PREDICT_FALSE(__builtin_mul_overflow(count, size, &bytes))) {
    bytes = SIZE_MAX;
  }
  if (ABSL_PREDICT_FALSE(!MayBeBlock(bytes))) {
    return ProcessHeap::AllocateZeroed(1, WithCanary(bytes));
  }
  void* ptr = Allocate(bytes);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? memset(ptr, 0, bytes) : nullptr;
}

void* GuardedHeap::AllocateAligned(size_t alignment, size_t size) {
  if (Sampling::IsDue() && IsPowerOfTwo(alignment)) {
    void* sampled = Sampling::Allocate(size, alignment);
    if (sampled != nullptr) return sampled;
  }
  return Protect(ProcessHeap::AllocateAligned(alignment, WithCanary(size)),
                 size, /*is_fresh=*/true);
}

void* GuardedHeap::AllocateInSlow(ArenaHandle handle, size_t size,
                                  size_t alignment) {
  const size_t wanted = WithCanary(size);
  void* ptr = alignment == kMinAlignment
                  ? ProcessHeap::AllocateInQuick(handle, wanted)
                  : nullptr;
  if (ptr == nullptr) {
    ptr = ProcessHeap::AllocateInSlow(handle, wanted, alignment);
  }
  return Protect(ptr, size, /*is_fresh=*/true);
}

void* GuardedHeap::AllocateZeroedIn(ArenaHandle handle, size_t count,
                                    size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
  if (!MayBeBlock(bytes)) {
    return ProcessHeap::AllocateZeroedIn(handle, 1, WithCanary(bytes));
  }
  void* ptr = AllocateIn(handle, bytes);
  return ptr == nullptr ? nullptr : memset(ptr, 0, bytes);
}

void* GuardedHeap::AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                     size_t size) {
  return Protect(
      ProcessHeap::AllocateAlignedIn(handle, alignment, WithCanary(size)), size,
      /*is_fresh=*/true);
}

size_t GuardedHeap::AllocateBatch(ArenaHandle handle, size_t size, void** out,
                                  size_t count) {
  size_t made = 0;
  for (; made < count; ++made) {
    out[made] = handle == 0 ? Allocate(size) : AllocateIn(handle, size);
    if (out[made] == nullptr) break;
  }
  return made;
}

// --- Freeing. ---

void GuardedHeap::Free(void* ptr) {
  Place place;
  if (ABSL_PREDICT_FALSE(!FindPlace(ptr, &place))) {
    return IsSampled(ptr) ? Sampling::Free(ptr) : ProcessHeap::Free(ptr);
  }
  if (ABSL_PREDICT_FALSE(!IsAlignedBlock(ptr) ||
                         !place.live.MarkFree(ptr, IsAlone()))) {
    return ReportNotLive(place, ptr);
  }
  const size_t bytes = BytesAt(place, ptr);
  size_t size;
  if (ABSL_PREDICT_FALSE(!Canary::Read(ptr, bytes, &size))) {
    return ReportOverflow(ptr);
  }
  Clear(ptr, bytes);
  Quarantine* quarantine = QuarantineFor(place);
  if (ABSL_PREDICT_FALSE(quarantine == nullptr)) return ProcessHeap::Free(ptr);
  quarantine->Put(ptr, bytes);
  for (;;) {
    const Quarantine::Entry entry = quarantine->TakeSurplus();
    if (entry.ptr == nullptr) return;
    Release(entry);
  }
}

void GuardedHeap::FreeSized(void* ptr, size_t size, size_t alignment) {
  if (ptr == nullptr) return;
  if (ABSL_PREDICT_FALSE(IsGuest(ptr))) {
    return ProcessHeap::FreeSized(ptr, size, alignment);
  }
  CheckAlignment(ptr, alignment);
  CheckSize(ptr, size);
  Free(ptr);
}

void GuardedHeap::FreeBatch(void** ptrs, size_t count) {
  for (size_t i = 0; i < count; ++i) Free(ptrs[i]);
}

namespace {

ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void CheckSampledSize(
    const void* ptr, size_t size) {
  GuardedBlock block;
  if (Sampling::BlockAt(ptr, &block) && block.is_live && ptr == block.start &&
      Max(block.bytes, 1) != Max(size, 1) &&
      (size > block.bytes ||
       !g.has_oversized.load(std::memory_order_relaxed))) {
    Sampling::Report("free with a wrong size", ptr);
  }
}

}  // namespace

void GuardedHeap::CheckSize(const void* ptr, size_t size) {
  void* block = const_cast<void*>(ptr);
  Place place;
  bool is_right;
  if (FindPlace(ptr, &place)) {
    if (!IsAlignedBlock(ptr) || !place.live.IsLive(ptr)) return;
    size_t bytes;
    size_t asked;
    is_right =
        !SizeAt(place, block, &bytes, &asked) || Max(asked, 1) == Max(size, 1);
  } else if (IsSampled(ptr)) {
    return CheckSampledSize(ptr, size);
  } else {
    const Slice* slice = g.runs.Find(ptr);
    if (g.zero_size.Has(ptr)) {
      if (size != 0) ReportMisuse("free with a wrong size", ptr);
      return;
    }
    if (slice == nullptr ? g.huge.Find(ptr) == nullptr
                         : slice->kind != RunKind::kLarge) {
      return;
    }
    // Of more than blocks serve only the pages are known, and told. What was
    // resized in place has no room for a canary.
    const size_t pages = AlignUp(Max(size, 1), kPageSize);
    const size_t with_canary = AlignUp(Max(WithCanary(size), 1), kPageSize);
    const size_t usable = ProcessHeap::UsableSize(ptr);
    is_right =
        pages == usable || with_canary == usable ||
        (pages < usable && g.has_oversized.load(std::memory_order_relaxed));
  }
  if (ABSL_PREDICT_FALSE(!is_right)) {
    ReportMisuse("free with a wrong size", ptr);
  }
}

void GuardedHeap::CheckQuarantine() {
  ThreadState* state = this_thread.state;
  if (state == nullptr) return;
  state->secure().quarantine.VisitAll(
      [](const Quarantine::Entry& entry) { IsCleared(entry); });
}

void GuardedHeap::FlushQuarantine() {
  ThreadState* state = this_thread.state;
  if (state == nullptr) return;
  for (;;) {
    const Quarantine::Entry entry = state->secure().quarantine.TakeOldest();
    if (entry.ptr == nullptr) return;
    Release(entry);
  }
}

size_t GuardedHeap::Purge(size_t keep_bytes) {
  FlushQuarantine();
  return ProcessHeap::Purge(keep_bytes);
}

// --- Resizing. ---

namespace {

// To a block of its own or a usual one, unless it has that size.
ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void* MoveSampled(void* ptr,
                                                              size_t size) {
  size_t old_size;
  if (!Sampling::SizeOf(ptr, &old_size)) return nullptr;
  if (size == old_size) return ptr;
  // What shrinks is no request, and stays where there is no memory for less.
  const bool shrinks = size <= old_size;
  const Status before = ProcessHeap::LastStatus();
  void* moved = shrinks && RequestGate::AsksFor(g.default_arena)
                    ? nullptr
                    : GuardedHeap::Allocate(size);
  if (moved == nullptr) {
    if (!shrinks) return nullptr;
    ProcessHeap::SetLastStatus(before);
    g.has_oversized.store(true, std::memory_order_relaxed);
    return ptr;
  }
  memcpy(moved, ptr, Min(size, old_size));
  Sampling::Free(ptr);
  return moved;
}

void* FailStale() {
  ProcessHeap::SetLastStatus(Status::kStale);
  return nullptr;
}

// A live block of `bytes` is one of `size` from now on, if that fits well or is
// its size already: an aligned one may have far more bytes.
bool ResizeTo(void* ptr, size_t bytes, size_t old_size, size_t size) {
  if (size != old_size &&
      (!MayBeBlock(size) ||
       !ProcessHeap::IsGoodFit(size + Canary::kBytes, bytes))) {
    return false;
  }
  Canary::Write(ptr, bytes, size);
  return true;
}

}  // namespace

bool GuardedHeap::TryResize(void* ptr, size_t size) {
  Place place;
  size_t bytes;
  if (!FindPlace(ptr, &place)) {
    if (!IsSampled(ptr)) return ProcessHeap::TryResize(ptr, size);
    return Sampling::SizeOf(ptr, &bytes) && bytes == size;
  }
  size_t old_size;
  if (!SizeAt(place, ptr, &bytes, &old_size)) return false;
  if (ResizeTo(ptr, bytes, old_size, size)) return true;
  // The half of what it has is never refused.
  if (size > old_size || size < old_size / 2 ||
      bytes - Canary::kBytes - size > Canary::kMaxSlack) {
    return false;
  }
  Canary::Write(ptr, bytes, size);
  return true;
}

void* GuardedHeap::Reallocate(void* ptr, size_t size) {
  if (ptr == nullptr) return Allocate(size);
  if (size == 0) {
    Free(ptr);
    return nullptr;
  }
  Place place;
  if (!FindPlace(ptr, &place)) {
    if (IsSampled(ptr)) return MoveSampled(ptr, size);
    // Guests have none, and with a canary it would be too much for others that
    // have just this.
    if (IsGuest(ptr)) return ProcessHeap::Reallocate(ptr, size);
    if (size == ProcessHeap::UsableSize(ptr)) return ptr;
    return Protect(ProcessHeap::Reallocate(ptr, WithCanary(size)), size,
                   /*is_fresh=*/false);
  }
  size_t bytes;
  size_t old_size;
  if (!SizeAt(place, ptr, &bytes, &old_size)) return nullptr;
  if (ResizeTo(ptr, bytes, old_size, size)) return ptr;
  Arena& owner = OwnerOf(place);
  // What shrinks is no request, and stays where there is no memory for less.
  const bool shrinks = size <= old_size;
  const ArenaHandle arena = owner.token();
  const ArenaLife life(arena);
  const Status before = ProcessHeap::LastStatus();
  void* moved = nullptr;
  if (!shrinks || !RequestGate::AsksFor(owner)) {
    moved = arena != 0         ? AllocateIn(arena, size)
            : MayBeBlock(size) ? Allocate(size)
                               : ProcessHeap::AllocateToGrow(size);
  }
  if (!life.IsAsBefore()) {
    Free(moved);  // what was in `ptr` is gone
    return FailStale();
  }
  if (moved == nullptr) {
    if (!shrinks) return nullptr;
    ProcessHeap::SetLastStatus(before);
    Canary::Write(ptr, bytes, size);
    return ptr;
  }
  memcpy(moved, ptr, Min(size, old_size));
  Free(ptr);
  return life.IsAsBefore() ? moved : FailStale();
}

size_t GuardedHeap::UsableSize(const void* ptr) {
  Place place;
  size_t bytes;
  size_t size;
  if (!FindPlace(ptr, &place)) {
    if (!IsSampled(ptr)) return ProcessHeap::UsableSize(ptr);
    return Sampling::SizeOf(ptr, &size) ? size : 0;
  }
  return SizeAt(place, const_cast<void*>(ptr), &bytes, &size) ? size : 0;
}

bool GuardedHeap::IsIntact(const void* ptr, size_t size) {
  Place place;
  size_t found;
  return FindPlace(ptr, &place) && place.live.IsLive(ptr) &&
         Canary::Read(ptr, BytesAt(place, const_cast<void*>(ptr)), &found) &&
         found == size;
}

bool GuardedHeap::Correct(BlockInfo* block) {
  const Look look;
  Place place;
  if (!FindPlace(block->start, &place)) return block->is_live;
  block->is_live = block->is_live && place.live.PeekLive(block->start);
  if (block->is_live) block->bytes = Canary::Peek(block->start, block->bytes);
  return block->is_live;
}

#endif

}  // namespace myonly::internal
