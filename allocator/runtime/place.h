// From an address to what has it, for who frees, resizes or measures a block.
//
// Another thread may free the same block at the same time. That is a mistake
// of the program, and is to be told, not to be followed: who has a place reads
// its owner once, and NULL says that nobody has the block any more.
#ifndef MYONLY_ALLOCATOR_RUNTIME_PLACE_H_
#define MYONLY_ALLOCATOR_RUNTIME_PLACE_H_

#include "absl/base/attributes.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/process_globals.h"

namespace myonly::internal {

// Neither: the address is not a live block's. A slice may be one of no run.
struct Place {
  Slice* slice = nullptr;
  HugeMapping* mapping = nullptr;
};

ABSL_ATTRIBUTE_NOINLINE inline Place Locate(const void* ptr) {
  ProcessGlobals& g = process_globals;
  Place place;
  place.slice = g.own.Refine(ptr, g.runs.Find(ptr));
  if (place.slice == nullptr) place.mapping = g.huge.Find(ptr);
  return place;
}

// NULL: no live block can be there.
ABSL_ATTRIBUTE_COLD inline Arena* ArenaOfPlace(const Place& place) {
  if (place.mapping != nullptr) {
    return static_cast<Arena*>(Peek(place.mapping->owner));
  }
  // A block of no bytes, if it is one.
  if (place.slice == nullptr) return &process_globals.default_arena;
  const auto [kind, owner] = HolderOf(place.slice);
  switch (kind) {
    case RunKind::kSlab:
    case RunKind::kSubHeapRegion:
      return &static_cast<SubHeap*>(owner)->arena();
    case RunKind::kRegion:
      return static_cast<Arena*>(owner);
    case RunKind::kLarge: {
      // Its first slice tells whether it is still in use.
      auto* arena = static_cast<Arena*>(owner);
      const Slice* run = arena->runs().FindRun(place.slice);
      return run != nullptr && run->kind == RunKind::kLarge ? arena : nullptr;
    }
    default:
      return nullptr;
  }
}

inline constexpr char kGuestLost[] =
    "free of a block that an arena has its memory in";

// Whether one has, of a large or huge block of `arena`: it must go first. What
// has memory of its own has its blocks in there.
ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE inline bool HasGuest(
    Arena& arena, const Place& place) {
  OwnMemory& own = process_globals.own;
  if (arena.ground() != nullptr) return false;
  if (place.mapping != nullptr) {
    return own.HasIn(place.mapping->start, place.mapping->bytes);
  }
  if (place.slice == nullptr) return false;
  const RunPool& runs = arena.runs();
  const Slice* run = runs.FindRun(place.slice);
  return run != nullptr && run->kind == RunKind::kLarge &&
         own.HasIn(runs.AddressOf(run), run->run_slices * kSliceSize);
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_PLACE_H_
