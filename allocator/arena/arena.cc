// The arena: allocating, freeing and resizing. What concerns the whole arena is
// in arena_lifecycle.cc.

#include "allocator/arena/arena.h"

#include <cstring>

#include "allocator/arena/owner_list.h"
#include "allocator/base/check.h"
#include "allocator/base/clock.h"

namespace myonly::internal {
namespace {

constexpr size_t kMaxRegionBytes = size_t{2} << 20;

constexpr uint32_t kSlowAllocationsPerDecay = 64;
constexpr uint64_t kQuickDecayMs = 500;

// A block that is aligned may lose this much before its payload.
size_t AlignedBlockBytes(size_t size, size_t alignment) {
  return RoundToQuick(Block::BytesFor(size)) + alignment + Block::kMinBytes;
}

size_t SlicesFor(size_t bytes) {
  return AlignUp(bytes, kSliceSize) / kSliceSize;
}

[[noreturn]] void ReportInside(const void* ptr) {
  ReportAndAbort("free of an address inside a block", ptr);
}

}  // namespace

void* Arena::AllocateSlow(size_t size, Status* status) {
  if (ABSL_PREDICT_FALSE(size > kMaxBlockRequest)) {
    return AllocatePages(size, kMinAlignment, false, status);
  }
  const size_t bytes = Block::BytesFor(size);
  Block* block = nullptr;
  bool decay;
  {
    MutexLock lock(mutex_);
    // With one thread AllocateQuick has just looked.
    if (!Mutex::IsSingleThreaded()) block = bins_.AllocateQuick(bytes);
    if (block == nullptr) block = bins_.AllocateFromBins(bytes);
    if (ABSL_PREDICT_FALSE(block == nullptr)) {
      block = AllocateAndGrow(size, kMinAlignment, status);
      if (block == nullptr) return nullptr;
    }
    ++allocations_;
    decay = ++slow_allocations_ % kSlowAllocationsPerDecay == 0;
  }
  if (ABSL_PREDICT_FALSE(decay)) Decay();
  return block->payload();
}

void* Arena::AllocateZeroed(size_t size, Status* status) {
  if (size > kMaxBlockRequest) {
    return AllocatePages(size, kMinAlignment, true, status);
  }
  void* ptr = Allocate(size, status);
  if (ptr != nullptr) memset(ptr, 0, size);
  return ptr;
}

void* Arena::AllocateAligned(size_t size, size_t alignment, Status* status) {
  if (alignment <= kMinAlignment) return Allocate(size, status);
  if (size > kMaxBlockRequest || alignment > kMaxBlockRequest ||
      AlignedBlockBytes(size, alignment) > kMaxBlockRequest) {
    return AllocatePages(size, alignment, false, status);
  }
  MutexLock lock(mutex_);
  Block* block = bins_.AllocateAligned(Block::BytesFor(size), alignment);
  if (block == nullptr) {
    block = AllocateAndGrow(size, alignment, status);
    if (block == nullptr) return nullptr;
  }
  ++allocations_;
  return block->payload();
}

// Nothing fits: what waits in quick lists is coalesced, then a region is added.
Block* Arena::AllocateAndGrow(size_t size, size_t alignment, Status* status) {
  const size_t bytes = Block::BytesFor(size);
  FlushQuickLists(0);
  NotePeak();
  Block* block = bins_.AllocateAligned(bytes, alignment);
  if (block != nullptr) return block;
  const Status added = AddRegion(AlignedBlockBytes(size, alignment));
  if (added != Status::kOk) {
    *status = added;
    return nullptr;
  }
  block = bins_.AllocateAligned(bytes, alignment);
  MYONLY_CHECK(block != nullptr);
  return block;
}

// Regions double with what the arena has, so that a small one stays small; when
// that much can't be had, the least that serves.
Status Arena::AddRegion(size_t block_bytes) {
  if (bins_.key() == 0) bins_.set_key(seed_() | 1);
  const size_t least = SlicesFor(block_bytes + BinManager::kRegionOverhead);
  const size_t want =
      Max(least, SlicesFor(Min(region_bytes_, kMaxRegionBytes)));
  for (size_t slices = want;; slices = least) {
    const size_t bytes = slices * kSliceSize;
    bool zeroed;
    if (Charge(bytes)) {
      Slice* run = runs_.Allocate(slices, RunKind::kRegion, this, &zeroed);
      if (run == nullptr && slices == least && huge_.Purge(0) != 0) {
        run = runs_.Allocate(slices, RunKind::kRegion, this, &zeroed);
      }
      if (run != nullptr) {
        PushOwned(&regions_, run);
        region_bytes_ += bytes;
        ++num_regions_;
        bins_.AddRegion(runs_.AddressOf(run), bytes);
        return Status::kOk;
      }
      if (slices == least) return Status::kNoMemory;
    } else if (slices == least) {
      return Status::kQuota;
    }
  }
}

void Arena::FreeRegion(Slice* run) {
  RemoveOwned(&regions_, run);
  region_bytes_ -= run->run_slices * kSliceSize;
  --num_regions_;
  runs_.Free(run);
}

void Arena::FlushQuickLists(size_t keep_bytes) {
  bins_.set_quick_limit_bytes(
      Max(BinManager::kMinQuickLimitBytes, region_bytes_ / 2));
  while (Block* whole = bins_.FlushQuickLists(keep_bytes)) RegionIsFree(whole);
  flushed_since_decay_ = true;
}

// What has waited in quick lists for a while will not be wanted soon.
void Arena::Decay() {
  const uint64_t now = CoarseMs();
  {
    MutexLock lock(mutex_);
    if (flushed_since_decay_) {
      flushed_since_decay_ = false;
      flush_ms_ = now;
    } else if (now - flush_ms_ >= kQuickDecayMs &&
               bins_.quick_bytes() > BinManager::kMinQuickLimitBytes) {
      FlushQuickLists(0);
      FreeSpareRegion();
    }
  }
  runs_.PurgeWithTime(now);
}

void Arena::FreeBlock(const Slice* region, void* ptr) {
  MutexLock lock(mutex_);
  const uint64_t word = bins_.LiveTag(ptr);
  Block* block = Block::FromPayload(ptr);
  if (word == 0 || !bins_.NextIsSealed(block, word)) {
    ReportBadBlock(region, ptr);
  }
  ++frees_;
  if (bins_.FreeQuick(block, word)) return;
  // Too large for a quick list, or they hold enough.
  if (bins_.quick_bytes() + Block::SizeIn(word) > bins_.quick_limit_bytes()) {
    FlushQuickLists(bins_.quick_limit_bytes() / 4 * 3);
  }
  if (Block* whole = bins_.FreeAndCoalesce(block)) RegionIsFree(whole);
}

// Keeps this wholly free region and gives the one kept before back.
void Arena::RegionIsFree(Block* whole) {
  if (spare_region_ != whole) FreeSpareRegion();
  spare_region_ = whole;
}

// Its first block may have been allocated from since.
void Arena::FreeSpareRegion() {
  Block* first = spare_region_;
  spare_region_ = nullptr;
  if (first == nullptr) return;
  const BoundaryTag tag = first->Read();
  if (tag.used || first->Next(tag.size)->size() != 0) return;
  bins_.RemoveRegion(first);
  FreeRegion(runs_.FindRun(runs_.Find(first)));
}

bool Arena::Charge(size_t bytes) {
  if (LimitAllows(bytes)) return true;
  // Pages of freed blocks, kept for the next of their size.
  FlushQuickLists(0);
  FreeSpareRegion();
  return LimitAllows(bytes);
}

bool Arena::LimitAllows(size_t bytes) const {
  return limit_bytes_ == 0 ||
         (HeldBytes() <= limit_bytes_ && bytes <= limit_bytes_ - HeldBytes());
}

void* Arena::AllocatePages(size_t size, size_t alignment, bool zeroed,
                           Status* status) {
  // Slices are aligned to their size; beyond that the block starts later in a
  // longer run.
  const size_t slack = alignment > kSliceSize ? alignment : 0;
  if (size > kMaxRequest || slack > kMaxRequest - size) {
    *status = Status::kNoMemory;
    return nullptr;
  }
  const bool is_large = size + slack <= kMaxLargeRequest;
  Status first = Status::kOk;
  void* ptr = is_large ? AllocateLarge(size, alignment, zeroed,
                                       &RunPool::Allocate, &first)
                       : AllocateHuge(size, alignment, zeroed, &first);
  if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  if (first != Status::kNoMemory) {
    *status = first;
    return nullptr;
  }
  // Where addresses are short, what one kind can't get the other may have. No
  // run grows for what the system has refused as a mapping.
  return is_large ? AllocateHuge(size, alignment, zeroed, status)
                  : AllocateLarge(size, alignment, zeroed,
                                  &RunPool::AllocateFree, status);
}

void* Arena::AllocateLarge(size_t size, size_t alignment, bool zeroed,
                           TakeRun take, Status* status) {
  const size_t slack = alignment > kSliceSize ? alignment - kSliceSize : 0;
  const size_t slices = SlicesFor(Max(size, 1) + slack);
  const size_t bytes = slices * kSliceSize;
  bool is_zero = false;
  Slice* run;
  char* ptr;
  {
    MutexLock lock(mutex_);
    if (!Charge(bytes)) {
      *status = Status::kQuota;
      return nullptr;
    }
    run = (runs_.*take)(slices, RunKind::kLarge, this, &is_zero);
    if (run == nullptr) {
      *status = Status::kNoMemory;
      return nullptr;
    }
    char* start = runs_.AddressOf(run);
    ptr = reinterpret_cast<char*>(
        AlignUp(reinterpret_cast<uintptr_t>(start), alignment));
    run->payload_offset = static_cast<uint32_t>(ptr - start);
    run->usable_pages =
        static_cast<uint32_t>(AlignUp(Max(size, 1), kPageSize) / kPageSize);
    PushOwned(&large_, run);
    large_bytes_ += bytes;
    page_live_bytes_ += run->usable_pages * kPageSize;
    ++page_live_blocks_;
    ++allocations_;
    NotePeak();
  }
  if (zeroed && !is_zero) memset(ptr, 0, size);
  return ptr;
}

void* Arena::AllocateHuge(size_t size, size_t alignment, bool zeroed,
                          Status* status) {
  if (size > kMaxRequest - kPageSize) {
    *status = Status::kNoMemory;
    return nullptr;
  }
  const size_t bytes = AlignUp(Max(size, 1), kPageSize);
  MutexLock lock(mutex_);
  if (!Charge(bytes)) {
    *status = Status::kQuota;
    return nullptr;
  }
  HugeMapping* mapping = huge_.Allocate(bytes, alignment, zeroed, this);
  if (mapping == nullptr && huge_.Purge(0) != 0) {
    mapping = huge_.Allocate(bytes, alignment, zeroed, this);
  }
  if (mapping == nullptr) {
    *status = Status::kNoMemory;
    return nullptr;
  }
  runs_.NotePagesTaken(mapping->bytes);
  PushOwned(&huge_list_, mapping);
  huge_bytes_ += mapping->bytes;
  page_live_bytes_ += mapping->bytes;
  ++page_live_blocks_;
  ++allocations_;
  NotePeak();
  return mapping->start;
}

void Arena::FreeLarge(Slice* run, void* ptr) {
  {
    MutexLock lock(mutex_);
    if (run->kind != RunKind::kLarge || run->owner != this) {
      ReportAndAbort("double free", ptr);
    }
    if (ptr != runs_.AddressOf(run) + run->payload_offset) ReportInside(ptr);
    NotePeak();
    RemoveOwned(&large_, run);
    run->kind = RunKind::kBusy;
    large_bytes_ -= run->run_slices * kSliceSize;
    page_live_bytes_ -= run->usable_pages * kPageSize;
    --page_live_blocks_;
    ++frees_;
  }
  runs_.Free(run);
}

void Arena::FreeHuge(HugeMapping* mapping, void* ptr) {
  {
    MutexLock lock(mutex_);
    // Another thread may have freed it since it was found.
    if (mapping->owner != this) ReportAndAbort("double free", ptr);
    if (ptr != mapping->start) ReportInside(ptr);
    NotePeak();
    RemoveOwned(&huge_list_, mapping);
    mapping->owner = nullptr;
    huge_bytes_ -= mapping->bytes;
    page_live_bytes_ -= mapping->bytes;
    --page_live_blocks_;
    ++frees_;
  }
  huge_.Free(mapping);
}

bool Arena::ResizeBlock(const Slice* region, void* ptr, size_t size) {
  MutexLock lock(mutex_);
  const uint64_t word = bins_.LiveTag(ptr);
  if (word == 0) ReportBadBlock(region, ptr);
  if (size > kMaxBlockRequest) return false;
  Block* block = Block::FromPayload(ptr);
  return bins_.Resize(block, Block::BytesFor(size));
}

bool Arena::ResizeLarge(Slice* run, void* ptr, size_t size) {
  MutexLock lock(mutex_);
  if (run->kind != RunKind::kLarge || run->owner != this) {
    ReportAndAbort("use of a freed block", ptr);
  }
  if (ptr != runs_.AddressOf(run) + run->payload_offset) ReportInside(ptr);
  // Small enough for another kind: moving gives the rest of the run back.
  if (size > kMaxLargeRequest || size <= kMaxBlockRequest / 2) return false;
  const size_t slices = SlicesFor(run->payload_offset + size);
  const size_t old_slices = run->run_slices;
  if (slices > old_slices) {
    if (!Charge((slices - old_slices) * kSliceSize) ||
        !runs_.Extend(run, slices)) {
      return false;
    }
    large_bytes_ += (slices - old_slices) * kSliceSize;
  } else if (slices < old_slices) {
    runs_.Shrink(run, slices);
    large_bytes_ -= (old_slices - slices) * kSliceSize;
  }
  const size_t pages = AlignUp(size, kPageSize) / kPageSize;
  page_live_bytes_ -= run->usable_pages * kPageSize;
  run->usable_pages = static_cast<uint32_t>(pages);
  page_live_bytes_ += pages * kPageSize;
  return true;
}

bool Arena::ResizeHuge(HugeMapping* mapping, void** ptr, size_t size,
                       bool may_move) {
  MutexLock lock(mutex_);
  if (*ptr != mapping->start) ReportInside(*ptr);
  if (size <= kMaxLargeRequest / 2) return false;
  const size_t before = mapping->bytes;
  if (size > before && !Charge(AlignUp(size - before, kPageSize))) return false;
  if (!huge_.Resize(mapping, size, may_move)) return false;
  huge_bytes_ += mapping->bytes - before;
  page_live_bytes_ += mapping->bytes - before;
  *ptr = mapping->start;
  return true;
}

size_t Arena::UsableBlock(const Slice* region, void* ptr) {
  const uint64_t word = bins_.LiveTag(ptr);
  if (word == 0) {
    MutexLock lock(mutex_);
    ReportBadBlock(region, ptr);
  }
  return Block::SizeIn(word) - Block::kTagBytes;
}

size_t Arena::UsableLarge(const Slice* run, const void* ptr) const {
  if (ptr != runs_.AddressOf(run) + run->payload_offset) ReportInside(ptr);
  return run->usable_pages * kPageSize;
}

size_t Arena::UsableHuge(const HugeMapping* mapping, const void* ptr) {
  if (ptr != mapping->start) ReportInside(ptr);
  return mapping->bytes;
}

void Arena::ReportBadBlock(const Slice* region, void* ptr) {
  const Slice* run = runs_.FindRun(region);
  if (run == nullptr) ReportAndAbort("double free", ptr);
  Block* block = Block::FromPayload(ptr);
  const uint64_t word = bins_.LiveTag(ptr);
  if (word != 0 && !bins_.NextIsSealed(block, word)) {
    ReportAndAbort("overwritten header",
                   block->Next(Block::SizeIn(word))->payload());
  }
  ReportAndAbort(bins_.Diagnose(runs_.AddressOf(run), ptr), ptr);
}

}  // namespace myonly::internal
