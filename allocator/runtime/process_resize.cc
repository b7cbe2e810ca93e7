// The bytes that a block has, and changing them.
#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/place.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/request_gate.h"

namespace myonly::internal {
namespace {

ProcessGlobals& g = process_globals;

[[noreturn]] ABSL_ATTRIBUTE_NOINLINE void ReportUnknown(const Place& place,
                                                        const void* ptr) {
  const bool was_block = place.slice != nullptr || place.mapping != nullptr;
  ReportAndAbort(was_block ? "double free" : "free of a foreign address", ptr);
}

// Of what must be a live block's, or nothing.
ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE Arena& LiveArenaOf(
    const Place& place, const void* ptr) {
  Arena* arena = ArenaOfPlace(place);
  if (ABSL_PREDICT_FALSE(arena == nullptr)) ReportUnknown(place, ptr);
  return *arena;
}

ABSL_ATTRIBUTE_COLD void CheckObject(const Slice* slab, const void* ptr) {
  if (slab->slab.carved == 0) ReportAndAbort("double free", ptr);
  if (!Slab::IsObject(slab, ptr) ||
      (kChecksObjects &&
       static_cast<const Object*>(ptr)->mark == Slab::TokenAt(slab, ptr))) {
    Slab::ReportBadUse(ptr, slab);
  }
}

// The usable bytes of a live object, or block of a sub-heap, in the first
// reservation, where almost all are. 0: it is something else, or bad.
size_t QuickUsableSize(const void* ptr, Slice** slice, Holder* holder) {
  if (ABSL_PREDICT_FALSE(!g.runs.FindFirst(ptr, slice))) return 0;
  if (ABSL_PREDICT_TRUE(Slab::TokenAt(*slice, ptr) == this_thread.token)) {
    // A slab of this thread, which nobody else changes.
    *holder = {RunKind::kSlab, (*slice)->owner};
  } else {
    if ((*slice)->key == Slice::kNoSlab) *slice = g.own.Refine(ptr, *slice);
    *holder = HolderOf(*slice);
    if (holder->kind == RunKind::kSubHeapRegion) {
      return static_cast<SubHeap*>(holder->owner)
          ->UsableBlock(*slice, const_cast<void*>(ptr));
    }
  }
  return ABSL_PREDICT_TRUE(holder->kind == RunKind::kSlab &&
                           Slab::IsLive(*slice, ptr))
             ? ObjectBytes((*slice)->slab.size_class)
             : 0;
}

ABSL_ATTRIBUTE_COLD size_t UsableSizeOf(const Place& place, void* ptr) {
  if (place.mapping != nullptr) return Arena::UsableHuge(place.mapping, ptr);
  if (place.slice == nullptr) {
    if (!g.zero_size.Has(ptr)) ReportUnknown(place, ptr);
    return ProcessHeap::ZeroSizeOf(ptr);
  }
  const Slice* slice = place.slice;
  const auto [kind, owner] = HolderOf(slice);
  switch (kind) {
    case RunKind::kSlab:
      CheckObject(slice, ptr);
      return ObjectBytes(slice->slab.size_class);
    case RunKind::kSubHeapRegion:
      return static_cast<SubHeap*>(owner)->UsableBlock(slice, ptr);
    case RunKind::kRegion:
      return static_cast<Arena*>(owner)->UsableBlock(slice, ptr);
    case RunKind::kLarge:
      return static_cast<Arena*>(owner)->UsableLarge(slice, ptr);
    default:
      ReportUnknown(place, ptr);
  }
}

// `usable` bytes are its now.
ABSL_ATTRIBUTE_COLD bool ResizeInPlace(Arena& arena, const Place& place,
                                       void** ptr, size_t usable, size_t size,
                                       bool may_move) {
  if (size > kMaxRequest) return false;
  if (place.mapping != nullptr) {
    return arena.ResizeHuge(place.mapping, ptr, size, may_move);
  }
  // A block of no bytes.
  if (place.slice == nullptr) return size == 0;
  const auto [kind, owner] = HolderOf(place.slice);
  switch (kind) {
    case RunKind::kRegion:
      return static_cast<Arena*>(owner)->ResizeBlock(place.slice, *ptr, size);
    case RunKind::kLarge:
      return static_cast<Arena*>(owner)->ResizeLarge(place.slice, *ptr, size);
    case RunKind::kSubHeapRegion: {
      // Only its owner may change a block.
      auto* heap = static_cast<SubHeap*>(owner);
      if (heap->token() != this_thread.token) break;
      return heap->ResizeBlock(place.slice, *ptr, size);
    }
    default:
      break;
  }
  return ProcessHeap::IsGoodFit(size, usable);
}

// In place; only its owner may change a block of a sub-heap.
bool ResizeQuickly(const Slice* slice, const Holder& holder, void* ptr,
                   size_t usable, size_t size) {
  auto* heap = static_cast<SubHeap*>(holder.owner);
  if (holder.kind == RunKind::kSubHeapRegion &&
      heap->token() == this_thread.token) {
    return heap->ResizeBlock(slice, ptr, size);
  }
  return ProcessHeap::IsGoodFit(size, usable);
}

// What is not a small object or block of the first reservation, in place or by
// moving its pages. Tells whose it is, and its usable bytes before.
ABSL_ATTRIBUTE_COLD bool ResizePlace(void** ptr, size_t size, bool may_move,
                                     Arena** arena, size_t* usable) {
  const Place place = Locate(*ptr);
  *arena = &LiveArenaOf(place, *ptr);
  if (g.own.has_any() && HasGuest(**arena, place)) {
    ReportAndAbort(kGuestLost, *ptr);
  }
  *usable = UsableSizeOf(place, *ptr);
  // Where requests are asked for first, what grows is one: asked for here, or
  // by who moves it.
  const bool resized =
      (ABSL_PREDICT_TRUE(!RequestGate::AsksFor(**arena)) || size <= *usable ||
       (!may_move && RequestGate::AdmitsTo(**arena, size))) &&
      ResizeInPlace(**arena, place, ptr, *usable, size, may_move);
  // The system may have refused to take the end of a mapping back.
  if (resized && place.mapping != nullptr &&
      !ProcessHeap::IsGoodFit(size, place.mapping->bytes)) {
    g.has_oversized.store(true, std::memory_order_relaxed);
  }
  return resized;
}

}  // namespace

// To a new block of the same arena.
void* ProcessHeap::Move(Arena& arena, void* ptr, size_t usable, size_t size) {
  if (ABSL_PREDICT_FALSE(arena.token() != 0 || size <= usable)) {
    return MoveSlowly(arena, ptr, usable, size);
  }
  void* moved = kIsSecure && size > kMaxBlockRequest ? AllocateToGrow(size)
                                                     : Allocate(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, ptr, usable);
  Free(ptr);
  return moved;
}

void* ProcessHeap::Reallocate(void* ptr, size_t size) {
  if (ptr == nullptr) return Allocate(size);
  if (size == 0) {
    Free(ptr);
    return nullptr;
  }
  Slice* slice;
  Holder holder;
  const size_t quick = QuickUsableSize(ptr, &slice, &holder);
  if (ABSL_PREDICT_TRUE(quick != 0)) {
    if (ResizeQuickly(slice, holder, ptr, quick, size)) return ptr;
    return Move(static_cast<SubHeap*>(holder.owner)->arena(), ptr, quick, size);
  }
  Arena* arena;
  size_t usable;
  if (ResizePlace(&ptr, size, /*may_move=*/true, &arena, &usable)) {
    return TellOfResize(ptr) ? ptr : nullptr;
  }
  if (size > kMaxRequest) {
    SetLastStatus(Status::kNoMemory);
    return nullptr;
  }
  return Move(*arena, ptr, usable, size);
}

bool ProcessHeap::TryResize(void* ptr, size_t size) {
  Arena* arena;
  size_t usable;
  return ResizePlace(&ptr, size, /*may_move=*/false, &arena, &usable);
}

size_t ProcessHeap::UsableSize(const void* ptr) {
  Slice* slice;
  const uintptr_t token = this_thread.token;
  // A live object of this thread, whose slab nobody else changes.
  return ABSL_PREDICT_TRUE(g.runs.FindFirst(ptr, &slice) &&
                           Slab::TokenAt(slice, ptr) == token &&
                           Slab::IsLive(slice, ptr, token))
             ? ObjectBytes(slice->slab.size_class)
             : UsableSizeSlow(ptr);
}

ABSL_ATTRIBUTE_NOINLINE size_t ProcessHeap::UsableSizeSlow(const void* ptr) {
  Slice* slice;
  Holder holder;
  const size_t usable = QuickUsableSize(ptr, &slice, &holder);
  if (ABSL_PREDICT_TRUE(usable != 0)) return usable;
  if (ptr == nullptr) return 0;
  return UsableSizeOf(Locate(ptr), const_cast<void*>(ptr));
}

}  // namespace myonly::internal
