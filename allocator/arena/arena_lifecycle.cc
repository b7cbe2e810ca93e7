// The arena as a whole: opening, resetting, closing, purging, statistics and
// checks.

#include <cstring>

#include "allocator/arena/arena.h"
#include "allocator/arena/owner_list.h"

namespace myonly::internal {
void Arena::Open(const ArenaOptions& options) {
  MutexLock lock(mutex_);
  memset(name_, 0, sizeof(name_));
  strncpy(name_, options.name, kMaxArenaName);
  limit_bytes_ = options.limit_bytes;
  allocations_ = frees_ = resets_ = 0;
  peak_live_bytes_ = 0;
}

void Arena::Reset() {
  MutexLock lock(mutex_);
  NotePeak();
  DropAll();
  ++resets_;
}

bool Arena::Close(bool require_empty) {
  MutexLock lock(mutex_);
  if (require_empty && allocations_ != frees_) return false;
  DropAll();
  return true;
}

void Arena::DropAll() {
  blocks_.DropAll();
  while (large_ != nullptr) {
    Slice* run = large_;
    RemoveOwned(&large_, run);
    runs_.Free(run);
  }
  while (huge_list_ != nullptr) {
    HugeMapping* mapping = huge_list_;
    RemoveOwned(&huge_list_, mapping);
    huge_.Free(mapping);
  }
  large_bytes_ = huge_bytes_ = 0;
  page_live_bytes_ = page_live_blocks_ = 0;
  frees_ = allocations_;
}

size_t Arena::Purge() {
  MutexLock lock(mutex_);
  return blocks_.Purge();
}

ArenaStats Arena::Stats() {
  MutexLock lock(mutex_);
  NotePeak();
  ArenaStats stats = {};
  stats.name = name_;
  stats.live_blocks = allocations_ - frees_;
  stats.live_bytes = LiveBytes();
  stats.peak_live_bytes = peak_live_bytes_;
  stats.allocations = allocations_;
  stats.frees = frees_;
  stats.region_bytes = blocks_.region_bytes();
  stats.large_bytes = large_bytes_;
  stats.huge_bytes = huge_bytes_;
  for (const HugeMapping* mapping = huge_list_; mapping != nullptr;
       mapping = mapping->next) {
    ++stats.huge_blocks;
  }
  stats.free_block_bytes = blocks_.free_bytes();
  stats.limit_bytes = limit_bytes_;
  stats.resets = resets_;
  return stats;
}

bool Arena::CheckInvariants(const void** where) {
  MutexLock lock(mutex_);
  size_t live_bytes = 0;
  size_t live_blocks = 0;
  if (!blocks_.Check(&live_bytes, &live_blocks, where)) return false;
  size_t large_bytes = 0;
  for (Slice* run = large_; run != nullptr; run = run->next) {
    *where = runs_.AddressOf(run);
    if (run->kind != RunKind::kLarge || run->owner != this) return false;
    large_bytes += run->run_slices * kSliceSize;
    live_bytes += run->large.usable_pages * kPageSize;
    ++live_blocks;
  }
  size_t huge_bytes = 0;
  for (HugeMapping* mapping = huge_list_; mapping != nullptr;
       mapping = mapping->next) {
    *where = mapping->start;
    if (mapping->owner != this) return false;
    huge_bytes += mapping->bytes;
    live_bytes += mapping->bytes;
    ++live_blocks;
  }
  *where = this;
  return large_bytes == large_bytes_ && huge_bytes == huge_bytes_ &&
         live_bytes == LiveBytes() && live_blocks == allocations_ - frees_ &&
         (limit_bytes_ == 0 || HeldBytes() <= limit_bytes_);
}

bool Arena::set_limit_bytes(size_t bytes) {
  MutexLock lock(mutex_);
  if (bytes != 0 && bytes < HeldBytes()) return false;
  limit_bytes_ = bytes;
  return true;
}

}  // namespace myonly::internal
