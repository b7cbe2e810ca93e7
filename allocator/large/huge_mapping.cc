#include "allocator/large/huge_mapping.h"

#include <new>

#include "allocator/base/check.h"
#include "allocator/base/clock.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

// Forgets what is behind the first `bytes`.
void CutPieces(HugeMapping* mapping, size_t bytes) {
  size_t pages = bytes / kPageSize;
  uint32_t count = 0;
  for (; pages != 0; ++count) {
    mapping->piece_pages[count] =
        static_cast<uint32_t>(Min(mapping->piece_pages[count], pages));
    pages -= mapping->piece_pages[count];
  }
  mapping->num_pieces = count;
  mapping->bytes = bytes;
}

void AddPiece(HugeMapping* mapping, size_t bytes, uint32_t number) {
  const uint32_t piece = mapping->num_pieces++;
  mapping->piece_pages[piece] = static_cast<uint32_t>(bytes / kPageSize);
  mapping->piece_mapping[piece] = number;
  mapping->bytes += bytes;
}

}  // namespace

size_t HugeMappings::RoundUp(size_t size, bool zeroed) const {
  const size_t bytes = AlignUp(Max(size, 1), kPageSize);
  const size_t whole = AlignUp(bytes, kPieceAlignment);
  const bool gets_huge_page = !kIsSecure && !zeroed &&
                              wants_huge_pages_.load(std::memory_order_relaxed);
  return gets_huge_page && whole - bytes <= bytes / 4 ? whole : bytes;
}

// Many a huge block is used at its beginning only, and a program that touches a
// byte of a huge page has all of it. What it did with the last one is known.
void HugeMappings::LookAtNewest() {
  // Who wants none opens no file either.
  if (newest_ == nullptr ||
      !wants_huge_pages_.load(std::memory_order_relaxed)) {
    return;
  }
  // The last quarter may be more than was asked for.
  const size_t page = AlignDown(newest_->bytes / 4 * 3, kPageSize);
  are_filled_ = pages_.MayBeResident(newest_->start + page);
  newest_ = nullptr;
}

// Zeros are often wanted for tables that are never filled.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool HugeMappings::WantsHugePages(
    size_t bytes, bool zeroed) {
  return !zeroed && bytes >= 2 * kPieceAlignment &&
         (are_filled_ || bytes >= kAlwaysFilledBytes) &&
         wants_huge_pages_.load(std::memory_order_relaxed) &&
         huge_pages_.ShallTry(bytes);
}

HugeMapping* HugeMappings::Allocate(size_t bytes, size_t alignment, bool zeroed,
                                    void* owner, size_t* fresh_bytes) {
  if (bytes > kMaxBytes) return nullptr;
  bytes = AlignUp(bytes, kPageSize);
  HugeMapping* mapping;
  Taken taken;
  bool wants_huge_pages;
  bool shall_try;
  bool may_all_be_huge;
  {
    MutexLock lock(mutex_);
    LookAtNewest();
    wants_huge_pages = WantsHugePages(bytes, zeroed);
    shall_try = wants_huge_pages && are_filled_;
    // Where some are slow, one that is fast tells little about the others.
    may_all_be_huge = wants_huge_pages && huge_pages_.has_paid_last();
    mapping = NewRecord();
    if (mapping == nullptr) return nullptr;
    if (!zeroed) taken = TakeKept(bytes, alignment);
  }
  mapping->start = nullptr;
  mapping->bytes = mapping->num_pieces = 0;
  mapping->previous = mapping->next = mapping->left = mapping->right = nullptr;
  mapping->owner = owner;
  *fresh_bytes = 0;
  if (taken.count != 0) {
    *fresh_bytes = Join(taken, bytes, mapping);
    // As likely to be filled as a new one, but as its first pages were advised.
    if (may_all_be_huge && *fresh_bytes >= kPieceAlignment) {
      pages_.AdviseHugePages(mapping->start, bytes, /*wanted=*/true);
    }
  }
  if (mapping->start == nullptr) {
    *fresh_bytes = bytes;
    do {
      mapping->start = static_cast<char*>(
          pages_.Reserve(bytes + kGuardBytes, Max(alignment, kPieceAlignment),
                         PageSource::Access::kReadWrite));
    } while (kIsSecure && mapping->start == nullptr && ReleaseOldest());
    AddPiece(mapping, bytes, NewMapping());
    if (wants_huge_pages && mapping->start != nullptr) {
      // Its beginning is written to if it is like the one before.
      if (shall_try) {
        wants_huge_pages = pages_.PopulateHuge(mapping->start, kPieceAlignment);
      }
      if (wants_huge_pages && may_all_be_huge) {
        pages_.AdviseHugePages(mapping->start, bytes + kGuardBytes,
                               /*wanted=*/true);
      }
    }
    if (kIsSecure && mapping->start != nullptr) SetGuard(mapping);
  }
  Surplus surplus;
  mutex_.Lock();
  if (mapping->start == nullptr) {
    FreeRecord(mapping);
    mutex_.Unlock();
    return nullptr;
  }
  if (*fresh_bytes == bytes) {
    newest_ = mapping;
    if (shall_try) huge_pages_.Note(wants_huge_pages);
  }
  InsertLive(mapping);
  // Zeros are fresh whatever is kept.
  CountLive(bytes, zeroed ? 0 : *fresh_bytes);
  cache_.Trim(CacheBudget(), &surplus);
  UnlockAndUnmap(surplus);
  return mapping;
}

void HugeMappings::CountLive(size_t bytes, size_t missed_bytes) {
  ++num_live_;
  live_bytes_ += bytes;
  keep_.NoteFresh(missed_bytes);
  keep_.NoteLive(live_bytes_);
}

// One piece that is enough, or several that together are, or come near.
HugeMappings::Taken HugeMappings::TakeKept(size_t bytes, size_t alignment) {
  Taken taken;
  const size_t most =
      num_live_ < kMaxLiveToJoin ? HugeMapping::kMaxPieces - 1 : 1;
  for (size_t missing = bytes; missing != 0 && taken.count < most;) {
    PageRange range = cache_.TakeEnough(
        missing, taken.count == 0 ? alignment : kPieceAlignment);
    if (range.start == nullptr && alignment <= kPageSize) {
      range = cache_.TakeMost();
    }
    if (range.start == nullptr) break;
    taken.ranges[taken.count++] = range;
    if (range.bytes() >= missing) break;
    missing -= AlignDown(range.bytes(), kPieceAlignment);
  }
  return taken;
}

// Makes a mapping of what was taken; its start stays NULL if that fails.
// Returns how much of it is fresh.
size_t HugeMappings::Join(const Taken& taken, size_t bytes,
                          HugeMapping* mapping) {
  const PageRange& first = taken.ranges[0];
  if (first.bytes() >= bytes) {
    KeepTail(first, bytes);
    mapping->start = first.start;
    AddPiece(mapping, bytes, first.mapping);
    return 0;
  }
  // Grown to the whole size, it has addresses for the others, if they follow
  // where a piece may begin.
  PageRange head = first;
  if (taken.count != 1) {
    head = {first.start, AlignDown(first.bytes(), kPieceAlignment), 0};
    KeepTail(first, head.bytes());
  }
  mapping->start =
      static_cast<char*>(pages_.Remap(head.start, head.bytes(), bytes));
  AddPiece(mapping, head.bytes(), NewMapping());
  bool joined = mapping->start != nullptr;
  if (!joined) Unmap(head);
  for (size_t i = 1; i < taken.count; ++i) {
    joined = joined && MovePiece(taken.ranges[i], bytes, mapping);
    if (!joined) Unmap(taken.ranges[i]);
  }
  if (joined) {
    const size_t fresh = bytes - mapping->bytes;
    if (taken.count == 1) CutPieces(mapping, 0);  // grown, it is still one
    if (mapping->bytes != bytes) {
      AddPiece(mapping, bytes - mapping->bytes, NewMapping());
    }
    return fresh;
  }
  if (mapping->start != nullptr) Unmap(PageRange{mapping->start, bytes, 0});
  mapping->start = nullptr;
  CutPieces(mapping, 0);
  return 0;
}

// Moves a piece behind those that `mapping` has, which is to have `bytes`.
bool HugeMappings::MovePiece(PageRange range, size_t bytes,
                             HugeMapping* mapping) {
  const size_t missing = bytes - mapping->bytes;
  const size_t used = range.bytes() >= missing
                          ? missing
                          : AlignDown(range.bytes(), kPieceAlignment);
  if (!pages_.Move(range.start, used, mapping->start + mapping->bytes)) {
    return false;
  }
  AddPiece(mapping, used, NewMapping());
  KeepTail(range, used);
  return true;
}

// The first `used` bytes of a piece that was taken are in use.
void HugeMappings::KeepTail(PageRange range, size_t used) {
  if (used == range.bytes()) return;
  Surplus surplus;
  mutex_.Lock();
  cache_.Keep({range.start + used, range.bytes() - used, range.mapping},
              CacheBudget(), &surplus);
  UnlockAndUnmap(surplus);
}

// In a child of fork the system may have given the addresses of another one
// away: its parent had those pages left out (MADV_DONTFORK). What was there is
// gone, and its record stays with its owner, of no bytes and no pieces.
void HugeMappings::InsertLive(HugeMapping* mapping) {
  HugeMapping* lost;
  while ((lost = FirstEndingBehind(mapping->start)) != nullptr &&
         lost->start < mapping->start + mapping->bytes) {
    TakeOut(lost);
    lost->start = nullptr;
    lost->bytes = lost->num_pieces = 0;
  }
  live_.Insert(*mapping);
  Show(mapping);
}

HugeMapping* HugeMappings::FirstEndingBehind(const char* address) {
  return live_.FirstNot([address](const HugeMapping& candidate) {
    return candidate.start + candidate.bytes <= address;
  });
}

void HugeMappings::TakeOut(HugeMapping* mapping) {
  if (mapping->num_pieces == 0) return;  // it was lost
  if (mapping == newest_) LookAtNewest();
  Hide(mapping);
  live_.Remove(*mapping);
  --num_live_;
  live_bytes_ -= mapping->bytes;
}

void HugeMappings::Free(HugeMapping* mapping) {
  Surplus surplus;
  mutex_.Lock();
  TakeOut(mapping);
  keep_.NoteLive(live_bytes_);
  keep_.Decay(live_bytes_, CoarseMs());
  const size_t budget = CacheBudget();
  cache_.Trim(budget, &surplus);
  char* start = mapping->start;
  for (size_t i = 0; i < mapping->num_pieces; ++i) {
    const size_t bytes = size_t{mapping->piece_pages[i]} * kPageSize;
    cache_.Keep({start, bytes, mapping->piece_mapping[i]}, budget, &surplus);
    start += bytes;
  }
  FreeRecord(mapping);
  UnlockAndUnmap(surplus);
}

void HugeMappings::FreePoisoned(HugeMapping* mapping) {
  const PageRange range = {mapping->start, mapping->bytes + kGuardBytes, 0};
  PageRange old = {};
  mutex_.Lock();
  TakeOut(mapping);
  mutex_.Unlock();
  const bool faults = pages_.Decommit(range.start, range.bytes());
  mutex_.Lock();
  if (!faults) {
    old = range;
    FreeRecord(mapping);
  } else {
    mapping->next = nullptr;
    (poisoned_ == nullptr ? poisoned_ : last_poisoned_->next) = mapping;
    last_poisoned_ = mapping;
    if (++num_poisoned_ > kMaxPoisoned) old = TakeOldest();
  }
  mutex_.Unlock();
  if (old.pages != 0) Unmap(old);
}

bool HugeMappings::ReleaseOldest() {
  PageRange range = {};
  mutex_.Lock();
  if (poisoned_ != nullptr) range = TakeOldest();
  mutex_.Unlock();
  if (range.pages == 0) return false;
  Unmap(range);
  return true;
}

bool HugeMappings::HasFreed(const char* start, size_t bytes) {
  MutexLock lock(mutex_);
  for (const HugeMapping* mapping = poisoned_; mapping != nullptr;
       mapping = mapping->next) {
    if (mapping->start < start + bytes &&
        start < mapping->start + mapping->bytes) {
      return true;
    }
  }
  return cache_.HasIn(start, bytes);
}

PageRange HugeMappings::TakeOldest() {
  HugeMapping* oldest = poisoned_;
  const PageRange range = {oldest->start, oldest->bytes + kGuardBytes, 0};
  poisoned_ = oldest->next;
  --num_poisoned_;
  FreeRecord(oldest);
  return range;
}

size_t HugeMappings::CacheBudget() const {
  return Max(Max(cache_floor_bytes_, live_bytes_ / 32), keep_.Get(live_bytes_));
}

void HugeMappings::PurgeWithTime(uint64_t now_ms) {
  mutex_.Lock();
  keep_.Decay(live_bytes_, now_ms);
  const size_t budget = CacheBudget();
  mutex_.Unlock();
  Purge(budget);
}

// Where the system lacks the memory to unmap, at least the pages go.
void HugeMappings::Unmap(PageRange range) {
  if (!pages_.Release(range.start, range.bytes())) {
    pages_.Purge(range.start, range.bytes());
  }
}

void HugeMappings::UnlockAndUnmap(const Surplus& surplus) {
  keep_.NoteDropped(surplus.bytes);
  mutex_.Unlock();
  Unmap(surplus);
}

void HugeMappings::Unmap(const Surplus& surplus) {
  for (size_t i = 0; i < surplus.count; ++i) Unmap(surplus.ranges[i]);
}

bool HugeMappings::Resize(HugeMapping* mapping, size_t bytes, bool may_move,
                          bool is_limited) {
  if (bytes > kMaxBytes) return false;
  bytes = AlignUp(bytes, kPageSize);
  const size_t old_bytes = mapping->bytes;
  if (bytes == old_bytes) return true;
  if constexpr (kIsSecure) return ResizeGuarded(mapping, bytes, may_move);
  if (bytes < old_bytes) {
    // A new one would be as large; and a block that grows wants its end next.
    if (!is_limited && RoundUp(bytes, /*zeroed=*/false) == old_bytes) {
      return true;
    }
    // Before the end may be another's.
    mapping->seen_bytes.store(bytes, std::memory_order_release);
    if (!pages_.Release(mapping->start + bytes, old_bytes - bytes)) {
      Show(mapping);
      return true;
    }
    MutexLock lock(mutex_);
    CutPieces(mapping, bytes);
    live_bytes_ -= old_bytes - bytes;
    return true;
  }
  if (!may_move || mapping->num_pieces != 1) return false;
  // The old address is another mapping's as soon as this one has moved, so the
  // tree must not be read in between.
  MutexLock lock(mutex_);
  Show(mapping, /*moves=*/true);
  void* start = pages_.Remap(mapping->start, old_bytes, bytes);
  if (start == nullptr) {
    Show(mapping);
    return false;
  }
  live_.Remove(*mapping);
  mapping->start = static_cast<char*>(start);
  mapping->num_pieces = 0;
  mapping->bytes = 0;
  AddPiece(mapping, bytes, NewMapping());
  InsertLive(mapping);
  live_bytes_ += bytes - old_bytes;
  return true;
}

void HugeMappings::SetGuard(HugeMapping* mapping) {
  char* end = mapping->start + mapping->bytes;
  mapping->has_guard = pages_.Guard(end, kGuardBytes);
  if (!mapping->has_guard) pages_.Decommit(end, kGuardBytes);
}

bool HugeMappings::TakeGuardOff(const HugeMapping& mapping) {
  char* end = mapping.start + mapping.bytes;
  return mapping.has_guard ? pages_.Unguard(end, kGuardBytes)
                           : pages_.Commit(end, kGuardBytes);
}

bool HugeMappings::ResizeGuarded(HugeMapping* mapping, size_t bytes,
                                 bool may_move) {
  const size_t old_bytes = mapping->bytes;
  if (bytes > old_bytes && !may_move) return false;
  MutexLock lock(mutex_);
  if (!TakeGuardOff(*mapping)) return false;
  Show(mapping, /*moves=*/true);
  void* start = pages_.Remap(mapping->start, old_bytes + kGuardBytes,
                             bytes + kGuardBytes);
  if (start == nullptr) {
    SetGuard(mapping);
    Show(mapping);
    return false;
  }
  live_.Remove(*mapping);
  mapping->start = static_cast<char*>(start);
  mapping->num_pieces = 0;
  mapping->bytes = 0;
  AddPiece(mapping, bytes, NewMapping());
  SetGuard(mapping);
  InsertLive(mapping);
  live_bytes_ += bytes - old_bytes;
  return true;
}

HugeMapping* HugeMappings::Find(const void* address) {
  const char* wanted = static_cast<const char*>(address);
  MutexLock lock(mutex_);
  HugeMapping* mapping = FirstEndingBehind(wanted);
  const bool has = mapping != nullptr && mapping->start <= wanted;
  return has ? mapping : nullptr;
}

// A mapping that moves still has its old address here, which may be another's
// by now.
const HugeMapping* HugeMappings::PeekAt(const void* address) const {
  const HugeMapping* moving = nullptr;
  for (const HugeMapping* record = records_.load(std::memory_order_acquire);
       record != nullptr; record = record->next_record) {
    const char* start = record->seen_start.load(std::memory_order_acquire);
    const size_t bytes = record->seen_bytes.load(std::memory_order_acquire);
    const size_t offset = reinterpret_cast<uintptr_t>(address) -
                          reinterpret_cast<uintptr_t>(start);
    if (start == nullptr || offset >= AlignDown(bytes, kPageSize)) continue;
    if ((bytes & 1) == 0) return record;
    moving = record;
  }
  return moving;
}

HugeMapping* HugeMappings::FindAfter(const void* address, char** start) {
  MutexLock lock(mutex_);
  HugeMapping* mapping =
      live_.FirstNot([address](const HugeMapping& candidate) {
        return candidate.start <= static_cast<const char*>(address);
      });
  if (mapping != nullptr) *start = mapping->start;
  return mapping;
}

size_t HugeMappings::Purge(size_t keep_bytes) {
  Surplus surplus;
  mutex_.Lock();
  cache_.Trim(keep_bytes, &surplus);
  mutex_.Unlock();
  Unmap(surplus);
  return surplus.bytes;
}

HugeMapping* HugeMappings::NewRecord() {
  HugeMapping* record = spare_;
  if (record != nullptr) {
    spare_ = record->next;
    return record;
  }
  void* memory = metadata_.Allocate(sizeof(HugeMapping));
  if (memory == nullptr) return nullptr;
  record = ::new (memory) HugeMapping();
  record->next_record = records_.load(std::memory_order_relaxed);
  records_.store(record, std::memory_order_release);
  return record;
}

void HugeMappings::FreeRecord(HugeMapping* record) {
  record->next = spare_;
  spare_ = record;
}

void HugeMappings::set_cache_floor_bytes(size_t bytes) {
  MutexLock lock(mutex_);
  cache_floor_bytes_ = bytes;
}

size_t HugeMappings::cached_bytes() {
  MutexLock lock(mutex_);
  return cache_.bytes();
}

size_t HugeMappings::live_bytes() {
  MutexLock lock(mutex_);
  return live_bytes_;
}

void HugeMappings::CheckInvariants() {
  BrokenInvariant broken;
  if (!Check(&broken)) ReportAndAbort(broken.what, broken.where);
}

bool HugeMappings::Check(BrokenInvariant* broken) {
  MutexLock lock(mutex_);
  size_t live = 0;
  size_t count = 0;
  const HugeMapping* bad = nullptr;
  const char* end = nullptr;
  const HugeMapping* misplaced = live_.CheckAndVisit(
      [&live, &count, &bad, &end](const HugeMapping& mapping) {
        const char* const end_before = end;
        size_t bytes = 0;
        for (size_t i = 0; i < mapping.num_pieces; ++i) {
          bytes += size_t{mapping.piece_pages[i]} * kPageSize;
        }
        end = mapping.start + bytes;
        if (bytes != mapping.bytes || bytes == 0 ||
            end_before > mapping.start ||
            !IsAligned(reinterpret_cast<uintptr_t>(end), kPageSize)) {
          bad = &mapping;
        }
        live += mapping.bytes;
        ++count;
      });
  if (misplaced != nullptr) {
    return broken->Is("broken tree of huge mappings", misplaced->start);
  }
  if (bad != nullptr) {
    return broken->Is("broken record of a huge mapping", bad->start);
  }
  return (live == live_bytes_ && num_live_ == count && cache_.Check()) ||
         broken->Is("wrong count of huge mappings", this);
}

}  // namespace myonly::internal
