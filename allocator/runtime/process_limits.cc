// Arenas that meet their limits: telling of it, what a callback may have done
// to the call it ran in, and blocks that change their arena.

#include <cerrno>
#include <cstring>

#include "allocator/base/preset.h"
#include "allocator/runtime/arena_life.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/request_gate.h"
#include "allocator/runtime/sampling.h"

namespace myonly::internal {
namespace {

ProcessGlobals& g = process_globals;

void* Fail(Status status) {
  ProcessHeap::SetLastStatus(status);
  return nullptr;
}

// `alignment` 0: the block shall be zeroed.
void* AllocateOf(Arena& arena, size_t size, size_t alignment, Status* status) {
  return alignment == 0 ? arena.AllocateZeroed(size, status)
                        : arena.AllocateAligned(size, alignment, status);
}

}  // namespace

void ProcessHeap::TellPressure() {
  if (this_thread.holds_news) return;
  const int saved_errno = errno;
  const Status saved_status = LastStatus();
  Pressure::Tell();
  SetLastStatus(saved_status);
  errno = saved_errno;
}

// Not where it was asked to fail.
bool ProcessHeap::MakeRoomIn(Arena& arena, size_t size, Status status) {
  if (status == Status::kQuota) return ReleaseSpareOf(arena);
  if (status != Status::kNoMemory || arena.ground() != nullptr ||
      RequestGate::AsksFor(arena)) {
    return false;
  }
  if (FollowLimit()) return true;
  // More than a run needs addresses: what is free may be in the way of it.
  const bool is_huge = size > kMaxLargeRequest;
  if (is_huge && (size > kMaxRequest || !g.runs.has_more_reservations())) {
    return false;
  }
  MakeRoom();
  if (is_huge) g.runs.ReleaseReservations(/*with_poisoned=*/true);
  return true;
}

// A callback that resets the arena drops the block as well, or makes room for
// it: once more then, and not a third time.
void* ProcessHeap::FinishAllocateIn(ArenaHandle handle, void* ptr, size_t size,
                                    size_t alignment, Status status) {
  Status found;
  Arena* arena = g.registry.Find(handle, &found);
  if (arena == nullptr) return Fail(found);
  if (ptr == nullptr && MakeRoomIn(*arena, size, status)) {
    ptr = AllocateOf(*arena, size, alignment, &status);
  }
  for (bool again = true;; again = false) {
    if (ptr == nullptr && status == Status::kQuota) {
      arena->quota().NoteRefusal();
    }
    const ArenaLife life(handle);
    TellIfNews();
    found = life.Look();
    if (found != Status::kBusy || !again) {
      if (ptr != nullptr && found == Status::kOk) return ptr;
      const bool is_refused = ptr == nullptr && found != Status::kStale;
      return Fail(is_refused ? status : Status::kStale);
    }
    ptr = AllocateOf(*arena, size, alignment, &status);
  }
}

// As far as the layout allows: what has become far too large for its kind stays
// one of its kind.
void ProcessHeap::ShrinkInPlace(void* ptr, size_t usable, size_t size) {
  constexpr size_t kRun = kMaxBlockRequest / 2 + 1;
  constexpr size_t kMapping = kMaxLargeRequest / 2 + 1;
  const size_t least = usable > kMaxLargeRequest ? kMapping : kRun;
  if (least < usable) TryResize(ptr, Max(size, least));
  g.has_oversized.store(true, std::memory_order_relaxed);
}

// What shrinks is no request, and stays where it is if there is no memory for
// less.
void* ProcessHeap::MoveSlowly(Arena& arena, void* ptr, size_t usable,
                              size_t size) {
  const ArenaHandle handle = arena.token();
  const ArenaLife life(handle);
  const bool shrinks = size <= usable;
  const Status before = LastStatus();
  void* moved = nullptr;
  if (!shrinks || !RequestGate::AsksFor(arena)) {
    moved = handle == 0 ? Allocate(size) : AllocateIn(handle, size);
  }
  if (!life.IsAsBefore()) {
    Free(moved);  // what was in `ptr` is gone
    return Fail(Status::kStale);
  }
  if (moved == nullptr) {
    if (!shrinks) return nullptr;
    ShrinkInPlace(ptr, usable, size);
    moved = ptr;
    SetLastStatus(before);
  } else {
    memcpy(moved, ptr, Min(size, usable));
    Free(ptr);
  }
  TellIfNews();
  return life.IsAsBefore() ? moved : Fail(Status::kStale);
}

bool ProcessHeap::TellNewsOf(const void* ptr) {
  // Not the arena: its memory may be the program's, and gone.
  ArenaHandle handle = 0;
  ArenaOf(ptr, &handle);
  const ArenaLife life(handle);
  TellPressure();
  if (life.IsAsBefore()) return true;
  SetLastStatus(Status::kStale);
  return false;
}

Status ProcessHeap::SetLimit(ArenaHandle handle, void (Quota::*set)(size_t),
                             size_t bytes) {
  const Status status = g.registry.SetLimit(handle, set, bytes);
  TellIfNews();
  return status;
}

namespace {

// To an arena that is at its limit: what it keeps free goes first.
Status MoveToFull(ArenaHandle to, Slice* slice, HugeMapping* mapping,
                  void* ptr) {
  Status status;
  Arena* arena = g.registry.Find(to, &status);
  if (arena == nullptr) return status;
  if (ProcessHeap::ReleaseSpareOf(*arena)) {
    status = g.registry.MoveTo(to, slice, mapping, ptr);
    if (status != Status::kQuota) return status;
  }
  arena->quota().NoteRefusal();
  return Status::kQuota;
}

}  // namespace

Status ProcessHeap::Transfer(void* ptr, ArenaHandle to) {
  Status status;
  if (g.registry.Find(to, &status) == nullptr) return status;
  Slice* slice = g.runs.Find(ptr);
  if (g.own.Refine(ptr, nullptr) != nullptr) return Status::kUnsupported;
  HugeMapping* mapping = nullptr;
  if (slice == nullptr) {
    mapping = g.huge.Find(ptr);
    if (kIsSecure && Sampling::Has(ptr)) return Status::kUnsupported;
    if (mapping == nullptr) return Status::kInvalid;
  } else {
    switch (RunKind{slice->kind}) {
      case RunKind::kLarge:
        break;
      case RunKind::kSlab:
      case RunKind::kRegion:
      case RunKind::kSubHeapRegion:
        return Status::kUnsupported;
      default:
        return Status::kInvalid;
    }
  }
  status = g.registry.MoveTo(to, slice, mapping, ptr);
  if (status == Status::kQuota) status = MoveToFull(to, slice, mapping, ptr);
  TellIfNews();
  return status;
}

}  // namespace myonly::internal
