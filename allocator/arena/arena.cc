// The arena: allocating, freeing and resizing. What concerns the whole arena is
// in arena_lifecycle.cc.

#include "allocator/arena/arena.h"

#include <cstring>

#include "allocator/arena/owner_list.h"
#include "allocator/base/check.h"
#include "allocator/base/clock.h"
#include "allocator/base/preset.h"

namespace myonly::internal {
namespace {

constexpr uint32_t kSlowAllocationsPerDecay = 64;

constexpr char kInside[] = "free of an address inside a block";
[[noreturn]] void ReportInside(const void* ptr) {
  ReportAndAbort(kInside, ptr);
}
[[noreturn]] ABSL_ATTRIBUTE_NOINLINE void ReportFreed(const void* ptr) {
  ReportAndAbort("use of a freed block", ptr);
}

}  // namespace

void* Arena::AllocateBlock(size_t size, size_t alignment, Status* status) {
  void* ptr = blocks_.AllocateFree(size, alignment);
  if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  NotePeak();
  return blocks_.Grow(size, alignment, status);
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
  // Large ones need not be looked at any closer.
  if (size > kMaxBlockRequest || !BlockHeap::Serves(size, alignment)) {
    return AllocatePages(size, alignment, false, status);
  }
  void* ptr;
  bool decay;
  {
    MutexLock lock(mutex_);
    if (IsClosed()) {
      *status = Status::kStale;
      return nullptr;
    }
    ptr = alignment <= kMinAlignment ? blocks_.AllocateQuick(size) : nullptr;
    if (ptr == nullptr) ptr = AllocateBlock(size, alignment, status);
    if (ABSL_PREDICT_FALSE(ptr == nullptr)) return nullptr;
    if (quota_.counts_blocks() && !ChargeBlock(ptr)) {
      *status = Status::kQuota;
      return nullptr;
    }
    ++allocations_;
    decay = ++slow_allocations_ % kSlowAllocationsPerDecay == 0;
  }
  if (ABSL_PREDICT_FALSE(decay)) Decay();
  return ptr;
}

void Arena::NotePeak() {
  peak_live_bytes_ = Max(peak_live_bytes_, LiveBytes());
}

void Arena::Decay() {
  const uint64_t now = CoarseMs();
  {
    MutexLock lock(mutex_);
    blocks_.Decay(now);
  }
  runs_.PurgeWithTime(now);
}

void Arena::FreeBlock(const Slice* region, void* ptr) {
  MutexLock lock(mutex_);
  const size_t counted = quota_.counts_blocks() ? blocks_.SizeIfLive(ptr) : 0;
  if (ABSL_PREDICT_FALSE(!blocks_.Free(region, ptr))) return;
  if (ABSL_PREDICT_FALSE(counted != 0)) quota_.ReturnEither(0, counted);
  ++frees_;
}

bool Arena::ChargeAfterPurge(size_t page_bytes, size_t block_bytes) {
  // Pages of freed blocks, kept for the next ones.
  blocks_.FlushQuickLists(0);
  blocks_.FreeSpareRegion();
  return quota_.ChargeEither(page_bytes, block_bytes);
}

bool Arena::ChargeBlock(void* ptr) {
  const Slice* region = runs_.Find(ptr);
  if (quota_.ChargeEither(0, blocks_.UsableSize(region, ptr))) return true;
  blocks_.Free(region, ptr);
  return false;
}

// How much a block would grow is known only afterwards, when it could be too
// much: it grows by moving.
bool Arena::ResizeCounted(const Slice* region, void* ptr, size_t size) {
  const size_t before = blocks_.UsableSize(region, ptr);
  if (size > before || !blocks_.Resize(region, ptr, size)) return false;
  quota_.ReturnEither(0, before - blocks_.UsableSize(region, ptr));
  return true;
}

void* Arena::AllocatePages(size_t size, size_t alignment, bool zeroed,
                           Status* status) {
  // Slices are aligned to their size; beyond that the block starts later in a
  // longer run.
  const size_t slack = alignment > runs_.slice_alignment() ? alignment : 0;
  // How far into its run a block begins is told by 32 bits.
  const size_t most = ground_ == nullptr ? kMaxRequest - size : UINT32_MAX;
  if (size > kMaxRequest || slack > most) {
    *status = Status::kNoMemory;
    return nullptr;
  }
  return ABSL_PREDICT_FALSE(size + slack > kMaxLargeRequest &&
                            ground_ == nullptr)
             ? AllocateHugeOrFree(size, alignment, zeroed, status)
             : AllocateLarge(size, alignment, zeroed, RunSource::kAny, status);
}

// Where addresses are short, what can't be a mapping may be a run. None grows
// for what the system has refused.
void* Arena::AllocateHugeOrFree(size_t size, size_t alignment, bool zeroed,
                                Status* status) {
  void* ptr = AllocateHuge(size, alignment, zeroed, status);
  if (ptr != nullptr || *status != Status::kNoMemory ||
      alignment > UINT32_MAX) {
    return ptr;
  }
  *status = Status::kOk;
  return AllocateLarge(size, alignment, zeroed, RunSource::kFree, status);
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline Slice* Arena::TakeRun(size_t slices,
                                                          RunSource source,
                                                          bool* is_zero) {
  if (ABSL_PREDICT_FALSE(source == RunSource::kFree)) {
    return runs_.AllocateFree(slices, RunKind::kLarge, this, is_zero);
  }
  Slice* run = runs_.Allocate(slices, RunKind::kLarge, this, is_zero);
  if (run == nullptr && ABSL_PREDICT_FALSE(ground_ != nullptr)) {
    blocks_.FreeSpareRegion();
    run = runs_.Allocate(slices, RunKind::kLarge, this, is_zero);
  }
  return run;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Arena::NoteLarge(Slice* run,
                                                          size_t bytes,
                                                          size_t usable) {
  PushOwned(&large_, run);
  large_bytes_ += bytes;
  page_live_bytes_ += usable;
  ++page_live_blocks_;
  ++allocations_;
  NotePeak();
}

void* Arena::AllocateLarge(size_t size, size_t alignment, bool zeroed,
                           RunSource source, Status* status) {
  const size_t aligned = runs_.slice_alignment();
  const size_t slack = alignment > aligned ? alignment - aligned : 0;
  const size_t usable = AlignUp(Max(size, 1), kPageSize);
  const size_t guard = kIsSecure && ground_ == nullptr ? kPageSize : 0;
  // All its pages are the block's; it may begin between those of the run.
  size_t slices = SlicesFor(usable + slack + guard);
  size_t bytes = slices * kSliceSize;
  const bool wants_room = kIsSecure && source == RunSource::kAnyWithRoom;
  bool is_zero = false;
  Slice* run;
  char* ptr;
  {
    MutexLock lock(mutex_);
    if (IsClosed()) {
      *status = Status::kStale;
      return nullptr;
    }
    if (wants_room && MayHaveRoom()) {
      slices = SlicesFor(Min(usable * kRoomToGrow, kMaxLargeRequest) + guard);
      bytes = slices * kSliceSize;
    }
    if (!Charge(bytes, usable)) {
      *status = Status::kQuota;
      return nullptr;
    }
    run = TakeRun(slices, source, &is_zero);
    if (ABSL_PREDICT_TRUE(run != nullptr)) {
      char* start = runs_.AddressOf(run);
      ptr = reinterpret_cast<char*>(
          AlignUp(reinterpret_cast<uintptr_t>(start), alignment));
      run->large.payload_offset = static_cast<uint32_t>(ptr - start);
      run->large.usable_pages = static_cast<uint32_t>(usable / kPageSize);
      if (ABSL_PREDICT_FALSE(is_zero)) {
        // Zeros are often wanted for tables that are never filled.
        if (!zeroed && !wants_room) runs_.Populate(run, {});
      } else if (kChecksObjects) {
        // As Block::ClearFirstWord.
        *reinterpret_cast<uintptr_t*>(ptr) = 0;
      }
      if (kIsSecure) run->large.has_guard = false;
      NoteLarge(run, bytes, usable);
    } else {
      quota_.ReturnEither(bytes, usable);
    }
  }
  if (ABSL_PREDICT_FALSE(run == nullptr)) {
    // As in AllocateHugeOrFree.
    if (source == RunSource::kAny && ground_ == nullptr) {
      return AllocateHuge(size, alignment, zeroed, status);
    }
    *status = Status::kNoMemory;
    return nullptr;
  }
  if (guard != 0) {
    const size_t offset = run->large.payload_offset;
    run->large.has_guard = runs_.Guard(ptr + usable, bytes - offset - usable);
  }
  if (zeroed && !is_zero) memset(ptr, 0, size);
  return ptr;
}

#ifdef MYONLY_PRESET_SECURE
void* Arena::AllocateToGrow(size_t size, Status* status) {
  if (size <= kMaxLargeRequest && ground_ == nullptr &&
      !BlockHeap::Serves(size, kMinAlignment)) {
    void* ptr = AllocateLarge(size, kMinAlignment, /*zeroed=*/false,
                              RunSource::kAnyWithRoom, status);
    if (ptr != nullptr) return ptr;
  }
  return AllocateAligned(size, kMinAlignment, status);
}
#endif

// No limit is spent on what was not asked for, and where the system counts
// addresses as memory it stays in proportion.
bool Arena::MayHaveRoom() const {
  return !quota_.is_ruled() &&
         large_bytes_ + huge_bytes_ <=
             page_live_bytes_ + Max(kMaxRoomBytes, page_live_bytes_);
}

bool Arena::HasRoom(const Slice* run, size_t pages) const {
  const size_t bytes = run->run_slices * kSliceSize;
  return pages > run->large.usable_pages &&
         run->large.payload_offset + (pages + 1) * kPageSize <= bytes;
}

bool Arena::OpenRoom(Slice* run, size_t pages) {
  const LargeFields& large = run->large;
  char* end = runs_.AddressOf(run) + large.payload_offset +
              large.usable_pages * kPageSize;
  return !large.has_guard ||
         runs_.Unguard(end, (pages - large.usable_pages) * kPageSize);
}

void* Arena::AllocateHuge(size_t size, size_t alignment, bool zeroed,
                          Status* status) {
  if (size > kMaxRequest - kPageSize) {
    *status = Status::kNoMemory;
    return nullptr;
  }
  size_t bytes = huge_.RoundUp(size, zeroed);
  MutexLock lock(mutex_);
  if (IsClosed()) {
    *status = Status::kStale;
    return nullptr;
  }
  // No limit is spent on what was not asked for.
  if (quota_.is_ruled()) bytes = AlignUp(Max(size, 1), kPageSize);
  if (!Charge(bytes, bytes)) {
    *status = Status::kQuota;
    return nullptr;
  }
  size_t fresh_bytes;
  HugeMapping* mapping;
  do {
    mapping = huge_.Allocate(bytes, alignment, zeroed, this, &fresh_bytes);
  } while (mapping == nullptr && huge_.Purge(0) != 0);
  if (mapping == nullptr) {
    quota_.ReturnEither(bytes, bytes);
    *status = Status::kNoMemory;
    return nullptr;
  }
  runs_.NotePagesElsewhere(fresh_bytes, huge_.live_bytes());
  PushOwned(&huge_list_, mapping);
  huge_bytes_ += mapping->bytes;
  page_live_bytes_ += mapping->bytes;
  ++page_live_blocks_;
  ++allocations_;
  NotePeak();
  return mapping->start;
}

void Arena::FreeLarge(const Slice* slice, void* ptr) {
  Slice* run;
  size_t bytes;
  size_t usable;
  bool has_guard = false;
  {
    MutexLock lock(mutex_);
    // Another thread may have freed it since it was found.
    run = runs_.FindRun(slice);
    if (!IsLiveLarge(run)) {
      return ReportMisuse("double free", ptr);
    }
    if (ptr != runs_.AddressOf(run) + run->large.payload_offset) {
      return ReportMisuse(kInside, ptr);
    }
    RemoveOwned(&large_, run);
    run->kind = RunKind::kBusy;
    bytes = run->run_slices * kSliceSize;
    usable = run->large.usable_pages * kPageSize;
    if (kIsSecure) has_guard = run->large.has_guard;
    large_bytes_ -= bytes;
    page_live_bytes_ -= usable;
    --page_live_blocks_;
    ++frees_;
    BeginReturn(bytes, usable);
  }
  if (kIsSecure && PoisonsPages()) {
    runs_.FreePoisoned(run, has_guard);
  } else {
    runs_.FreeAndKeep(run);
  }
  EndReturn(bytes, usable);
}

void Arena::FreeHuge(HugeMapping* mapping, void* ptr) {
  size_t bytes;
  {
    MutexLock lock(mutex_);
    if (mapping->owner != this) return ReportMisuse("double free", ptr);
    if (ptr != mapping->start) return ReportMisuse(kInside, ptr);
    RemoveOwned(&huge_list_, mapping);
    mapping->owner = nullptr;
    bytes = mapping->bytes;
    huge_bytes_ -= bytes;
    page_live_bytes_ -= bytes;
    --page_live_blocks_;
    ++frees_;
    BeginReturn(bytes, bytes);
  }
  kIsSecure ? huge_.FreePoisoned(mapping) : huge_.Free(mapping);
  EndReturn(bytes, bytes);
  runs_.NotePagesElsewhere(0, huge_.live_bytes());
}

bool Arena::ResizeBlock(const Slice* region, void* ptr, size_t size) {
  MutexLock lock(mutex_);
  return quota_.counts_blocks() ? ResizeCounted(region, ptr, size)
                                : blocks_.Resize(region, ptr, size);
}

bool Arena::ResizeLarge(const Slice* slice, void* ptr, size_t size) {
  MutexLock lock(mutex_);
  Slice* run = runs_.FindRun(slice);
  if (!IsLiveLarge(run)) {
    ReportFreed(ptr);
  }
  if (ptr != runs_.AddressOf(run) + run->large.payload_offset)
    ReportInside(ptr);
  if (size > kMaxLargeRequest) return false;
  const size_t pages = AlignUp(size, kPageSize) / kPageSize;
  if (pages == run->large.usable_pages) return true;
  // Small enough for another kind: moving gives the rest of the run back.
  if (size <= kMaxBlockRequest / 2) return false;
  const bool is_guarded = kIsSecure && ground_ == nullptr;
  if (is_guarded && !HasRoom(run, pages)) return false;
  const size_t slices =
      is_guarded ? run->run_slices
                 : SlicesFor(run->large.payload_offset + pages * kPageSize);
  const size_t old_slices = run->run_slices;
  const size_t charge = ChargeOf(slices, pages);
  const size_t old_charge = ChargeOf(old_slices, run->large.usable_pages);
  const size_t more = charge > old_charge ? charge - old_charge : size_t{0};
  if (more != 0 && !Charge(more, more)) return false;
  if ((slices > old_slices && !runs_.Extend(run, slices)) ||
      (is_guarded && !OpenRoom(run, pages))) {
    quota_.ReturnEither(more, more);
    return false;
  }
  if (slices < old_slices) runs_.Shrink(run, slices);
  const size_t less = old_charge + more - charge;
  if (less != 0) quota_.ReturnEither(less, less);
  large_bytes_ += (slices - old_slices) * kSliceSize;
  page_live_bytes_ -= run->large.usable_pages * kPageSize;
  run->large.usable_pages = static_cast<uint32_t>(pages);
  page_live_bytes_ += pages * kPageSize;
  return true;
}

bool Arena::ResizeHuge(HugeMapping* mapping, void** ptr, size_t size,
                       bool may_move) {
  MutexLock lock(mutex_);
  if (mapping->owner != this) ReportFreed(*ptr);
  if (*ptr != mapping->start) ReportInside(*ptr);
  const size_t before = mapping->bytes;
  if (size <= kMaxLargeRequest / 2) return size == before;
  const size_t more =
      size > before ? AlignUp(size - before, kPageSize) : size_t{0};
  if (more != 0 && !Charge(more, more)) return false;
  if (!huge_.Resize(mapping, size, may_move, quota_.is_ruled())) {
    quota_.ReturnEither(more, more);
    return false;
  }
  const size_t less = before + more - mapping->bytes;
  if (less != 0) quota_.ReturnEither(less, less);
  huge_bytes_ += mapping->bytes - before;
  page_live_bytes_ += mapping->bytes - before;
  *ptr = mapping->start;
  return true;
}

size_t Arena::UsableLarge(const Slice* slice, const void* ptr) const {
  const Slice* run = runs_.FindRun(slice);
  if (!IsLiveLarge(run)) ReportFreed(ptr);
  if (ptr != runs_.AddressOf(run) + run->large.payload_offset)
    ReportInside(ptr);
  return run->large.usable_pages * kPageSize;
}

size_t Arena::UsableHuge(const HugeMapping* mapping, const void* ptr) {
  if (ptr != mapping->start) ReportInside(ptr);
  return mapping->bytes;
}

}  // namespace myonly::internal
