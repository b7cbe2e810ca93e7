#include "allocator/large/huge_mapping.h"

#include "allocator/base/check.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

// The peak forgets this fraction of what is above it at each call.
constexpr size_t kPeakDecay = 512;

// A tail smaller than this is unmapped rather than kept for itself.
constexpr size_t kMinCachedBytes = size_t{1} << 20;

bool IsAligned(const char* address, size_t alignment) {
  return internal::IsAligned(reinterpret_cast<uintptr_t>(address), alignment);
}

}  // namespace

HugeMapping* HugeMappings::Allocate(size_t bytes, size_t alignment, bool zeroed,
                                    void* owner) {
  if (bytes > kMaxRequest - kPageSize) return nullptr;
  bytes = AlignUp(bytes, kPageSize);
  HugeMapping* record;
  Range range = {};
  {
    MutexLock lock(mutex_);
    record = NewRecord();
    if (record == nullptr) return nullptr;
    if (!zeroed) range = TakeCached(bytes, alignment);
  }
  if (range.start != nullptr) {
    range = Fit(range, bytes);
  } else {
    void* start = pages_.Reserve(bytes, Max(alignment, kPageSize),
                                 PageSource::Access::kReadWrite);
    range = {static_cast<char*>(start), bytes};
  }
  Surplus surplus;
  mutex_.Lock();
  if (range.start == nullptr) {
    FreeRecord(record);
    mutex_.Unlock();
    return nullptr;
  }
  *record = {range.start, range.bytes, owner,  nullptr,
             nullptr,     nullptr,     nullptr};
  live_.Insert(*record);
  live_bytes_ += range.bytes;
  NoteLive();
  TrimCache(&surplus);
  mutex_.Unlock();
  Unmap(surplus);
  return record;
}

// The smallest kept mapping that is large enough, else the largest one (it will
// be grown, so it must not need an alignment that moving loses).
HugeMappings::Range HugeMappings::TakeCached(size_t bytes, size_t alignment) {
  size_t best = kMaxCached;
  for (size_t i = 0; i < num_cached_; ++i) {
    if (!IsAligned(cached_[i].start, alignment)) continue;
    if (cached_[i].bytes < bytes && alignment > kPageSize) continue;
    if (best == kMaxCached) {
      best = i;
    } else if (cached_[best].bytes < bytes
                   ? cached_[i].bytes > cached_[best].bytes
                   : cached_[i].bytes >= bytes &&
                         cached_[i].bytes < cached_[best].bytes) {
      best = i;
    }
  }
  return best == kMaxCached ? Range{} : RemoveCached(best);
}

// Cuts or grows a kept mapping, which nobody else knows any more.
HugeMappings::Range HugeMappings::Fit(Range range, size_t bytes) {
  if (range.bytes > bytes) {
    Surplus surplus;
    mutex_.Lock();
    Keep({range.start + bytes, range.bytes - bytes}, &surplus);
    mutex_.Unlock();
    Unmap(surplus);
  } else if (range.bytes < bytes) {
    void* start = pages_.Remap(range.start, range.bytes, bytes);
    if (start == nullptr) {
      Unmap(range);
      start = pages_.Reserve(bytes, kPageSize, PageSource::Access::kReadWrite);
    }
    return {static_cast<char*>(start), bytes};
  }
  return {range.start, bytes};
}

void HugeMappings::Free(HugeMapping* mapping) {
  Surplus surplus;
  {
    MutexLock lock(mutex_);
    const Range range = {mapping->start, mapping->bytes};
    live_.Remove(*mapping);
    live_bytes_ -= range.bytes;
    NoteLive();
    FreeRecord(mapping);
    TrimCache(&surplus);
    Keep(range, &surplus);
  }
  Unmap(surplus);
}

// The budget changes with what is live.
void HugeMappings::TrimCache(Surplus* surplus) {
  while (num_cached_ != 0 && cached_bytes_ > CacheBudget()) {
    surplus->Add(RemoveCached(SmallestCached()));
  }
}

// Keeps as much of `range` as the budget allows; what must go is added to
// `*surplus`.
void HugeMappings::Keep(Range range, Surplus* surplus) {
  if (num_cached_ == kMaxCached) {
    const size_t smallest = SmallestCached();
    if (cached_[smallest].bytes >= range.bytes) {
      surplus->Add(range);
      return;
    }
    surplus->Add(RemoveCached(smallest));
  }
  const size_t budget = CacheBudget();
  const size_t room = AlignDown(budget - Min(budget, cached_bytes_), kPageSize);
  const size_t kept = Min(range.bytes, room);
  if (kept < kMinCachedBytes) {
    surplus->Add(range);
    return;
  }
  if (kept < range.bytes) {
    surplus->Add({range.start + kept, range.bytes - kept});
  }
  cached_[num_cached_++] = {range.start, kept};
  cached_bytes_ += kept;
}

size_t HugeMappings::SmallestCached() const {
  size_t smallest = 0;
  for (size_t i = 1; i < num_cached_; ++i) {
    if (cached_[i].bytes < cached_[smallest].bytes) smallest = i;
  }
  return smallest;
}

HugeMappings::Range HugeMappings::RemoveCached(size_t index) {
  const Range range = cached_[index];
  cached_[index] = cached_[--num_cached_];
  cached_bytes_ -= range.bytes;
  return range;
}

// What was live a moment ago will be wanted again: as long as live and kept
// bytes together stay below the recent peak, keeping raises no one's peak.
size_t HugeMappings::CacheBudget() const {
  const size_t below_peak =
      peak_live_bytes_ - Min(peak_live_bytes_, live_bytes_);
  return Max(Max(cache_floor_bytes_, live_bytes_ / 16),
             Min(below_peak, live_bytes_ / 2));
}

void HugeMappings::NoteLive() {
  if (live_bytes_ >= peak_live_bytes_) {
    peak_live_bytes_ = live_bytes_;
  } else {
    peak_live_bytes_ -= (peak_live_bytes_ - live_bytes_) / kPeakDecay;
  }
}

// Where the system lacks the memory to unmap, at least the pages go.
void HugeMappings::Unmap(Range range) {
  if (!pages_.Release(range.start, range.bytes)) {
    pages_.Purge(range.start, range.bytes);
  }
}

void HugeMappings::Unmap(const Surplus& surplus) {
  for (size_t i = 0; i < surplus.count; ++i) Unmap(surplus.ranges[i]);
}

bool HugeMappings::Resize(HugeMapping* mapping, size_t bytes, bool may_move) {
  if (bytes > kMaxRequest - kPageSize) return false;
  bytes = AlignUp(bytes, kPageSize);
  const size_t old_bytes = mapping->bytes;
  if (bytes == old_bytes) return true;
  if (bytes < old_bytes) {
    if (!pages_.Release(mapping->start + bytes, old_bytes - bytes)) return true;
    MutexLock lock(mutex_);
    mapping->bytes = bytes;
    live_bytes_ -= old_bytes - bytes;
    return true;
  }
  if (!may_move) return false;
  // The old address is another mapping's as soon as this one has moved, so the
  // tree must not be read in between.
  MutexLock lock(mutex_);
  void* start = pages_.Remap(mapping->start, old_bytes, bytes);
  if (start == nullptr) return false;
  live_.Remove(*mapping);
  mapping->start = static_cast<char*>(start);
  mapping->bytes = bytes;
  live_.Insert(*mapping);
  live_bytes_ += bytes - old_bytes;
  return true;
}

HugeMapping* HugeMappings::Find(const void* address) {
  const char* wanted = static_cast<const char*>(address);
  MutexLock lock(mutex_);
  HugeMapping* mapping = live_.FirstNot([wanted](const HugeMapping& candidate) {
    return candidate.start + candidate.bytes <= wanted;
  });
  const bool has = mapping != nullptr && mapping->start <= wanted;
  return has ? mapping : nullptr;
}

size_t HugeMappings::Purge(size_t keep_bytes) {
  size_t purged = 0;
  for (;;) {
    Range range;
    {
      MutexLock lock(mutex_);
      if (num_cached_ == 0 || cached_bytes_ <= keep_bytes) return purged;
      range = RemoveCached(num_cached_ - 1);
    }
    Unmap(range);
    purged += range.bytes;
  }
}

HugeMapping* HugeMappings::NewRecord() {
  HugeMapping* record = spare_;
  if (record == nullptr) {
    return static_cast<HugeMapping*>(metadata_.Allocate(sizeof(HugeMapping)));
  }
  spare_ = record->next;
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
  return cached_bytes_;
}

size_t HugeMappings::live_bytes() {
  MutexLock lock(mutex_);
  return live_bytes_;
}

void HugeMappings::CheckInvariants() {
  MutexLock lock(mutex_);
  size_t live = 0;
  const char* end = nullptr;
  live_.CheckAndVisit([&live, &end](const HugeMapping& mapping) {
    MYONLY_CHECK(end == nullptr || end <= mapping.start);
    MYONLY_CHECK(IsAligned(mapping.start, kPageSize));
    MYONLY_CHECK(mapping.bytes % kPageSize == 0 && mapping.bytes != 0);
    end = mapping.start + mapping.bytes;
    live += mapping.bytes;
  });
  MYONLY_CHECK(live == live_bytes_);
  size_t cached = 0;
  for (size_t i = 0; i < num_cached_; ++i) cached += cached_[i].bytes;
  MYONLY_CHECK(cached == cached_bytes_ && num_cached_ <= kMaxCached);
}

}  // namespace myonly::internal
