// What limits need of an arena: giving free memory back down to a mark, and
// giving a block to another arena.

#include "allocator/arena/arena.h"
#include "allocator/arena/owner_list.h"
#include "allocator/arena/sub_heap.h"

namespace myonly::internal {

// Those of all arenas are purged by others.
size_t Arena::PurgeOwnRuns(size_t keep_bytes) {
  return ground_ == nullptr ? 0 : runs_.Purge(keep_bytes);
}

size_t Arena::PurgeTo(uintptr_t token, size_t keep_bytes, MayLook may_look) {
  const uint64_t free_bytes =
      keep_bytes == 0 ? 0 : Stats(may_look).free_block_bytes;
  MutexLock lock(mutex_);
  if (IsNot(token)) return 0;
  if (keep_bytes != 0 && free_bytes <= keep_bytes) {
    return PurgeOwnRuns(keep_bytes - free_bytes);
  }
  size_t purged = blocks_.PurgeTo(&keep_bytes);
  for (SubHeap* share = shares_; share != nullptr; share = share->next) {
    if (!may_look(share->token()) || share->is_frozen()) {
      share->AskForSpare();
    } else {
      purged += share->PurgeTo(&keep_bytes);
    }
  }
  // Regions have become free runs.
  return purged + PurgeOwnRuns(keep_bytes);
}

bool Arena::ReleaseSpare(MayLook may_look) {
  MutexLock lock(mutex_);
  const size_t in_regions = blocks_.region_bytes();
  blocks_.FlushQuickLists(0);
  blocks_.FreeSpareRegion();
  bool released = blocks_.region_bytes() < in_regions;
  for (SubHeap* share = shares_; share != nullptr; share = share->next) {
    if (!may_look(share->token()) || share->is_frozen()) {
      share->AskForSpare();
      continue;
    }
    const size_t held = share->held_bytes();
    if (held == 0) continue;
    share->ReleaseSpare();
    share->Publish();
    released |= share->held_bytes() < held;
  }
  return released;
}

void Arena::ReleaseSpareOf(SubHeap* share) {
  MutexLock lock(mutex_);
  // It may have been closed since it was asked.
  if (share->is_open()) share->ReleaseIfAsked();
}

// Its own lock first, whatever the order: no two threads are here at a time.
// The other one is not waited for if it has memory of its own: its page
// functions may be running, and want this one.
Status Arena::MoveTo(Arena& to, const Slice* slice, HugeMapping* mapping,
                     const void* ptr) {
  MutexLock lock(mutex_);
  Slice* run = slice == nullptr ? nullptr : runs_.FindRun(slice);
  const bool is_live =
      slice != nullptr
          ? IsLiveLarge(run) &&
                ptr == runs_.AddressOf(run) + run->large.payload_offset
          : mapping->owner == this && ptr == mapping->start;
  if (!is_live) return Status::kInvalid;
  if (&to == this) return Status::kOk;
  if (&runs_ != &to.runs_ || &huge_ != &to.huge_) return Status::kUnsupported;
  MutexLock lock_to(to.mutex_);
  const size_t held =
      run != nullptr ? run->run_slices * kSliceSize : mapping->bytes;
  const size_t usable =
      run != nullptr ? run->large.usable_pages * kPageSize : mapping->bytes;
  const Status status =
      quota_.MoveTo(to.quota_, quota_.counts_blocks() ? usable : held);
  if (status != Status::kOk) return status;
  NotePeak();
  if (run != nullptr) {
    RemoveOwned(&large_, run);
    for (size_t i = 0; i < run->run_slices; ++i) (run - i)->owner = &to;
    PushOwned(&to.large_, run);
    large_bytes_ -= held;
    to.large_bytes_ += held;
  } else {
    RemoveOwned(&huge_list_, mapping);
    mapping->owner = &to;
    PushOwned(&to.huge_list_, mapping);
    huge_bytes_ -= held;
    to.huge_bytes_ += held;
  }
  page_live_bytes_ -= usable;
  --page_live_blocks_;
  ++frees_;
  to.page_live_bytes_ += usable;
  ++to.page_live_blocks_;
  ++to.allocations_;
  to.NotePeak();
  return Status::kOk;
}

}  // namespace myonly::internal
