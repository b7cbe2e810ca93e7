#include "allocator/guard/guarded_pool.h"

#include <cstring>

#include "allocator/base/guard_keys.h"
#include "allocator/base/peek.h"
#include "allocator/base/treap.h"
#include "allocator/guard/zeros.h"

namespace myonly::internal {
namespace {

// Behind a block that does not end where its pages do, so many bytes at most.
constexpr size_t kMostPattern = 32;

char* EndOf(const GuardedBlock& block) { return block.start + block.bytes; }

size_t PatternBytes(const char* end, const char* pages_end) {
  return Min(static_cast<size_t>(pages_end - end), kMostPattern);
}

// What stands at a place behind a block: never 0, which strings end with.
char PatternAt(const char* place) {
  const size_t shift = reinterpret_cast<uintptr_t>(place) % 8 * 8;
  return static_cast<char>(guard_keys.pattern >> shift | 0x80);
}

// The end of pages, or the beginning of a block.
bool AreZero(const char* start, const char* end) {
  for (; start != end; ++start) {
    if (IsAligned(reinterpret_cast<uintptr_t>(start), kMinAlignment)) {
      return IsZero(start, static_cast<size_t>(end - start));
    }
    if (*start != 0) return false;
  }
  return true;
}

}  // namespace

bool GuardedPool::Open(size_t slots, uint64_t seed) {
  MutexLock lock(mutex_);
  if (base_ != 0) return true;
  slots = Min(slots, kMaxSlots);
  // A few of the addresses where they are limited.
  slots = Min(slots, pages_.ReservationLimit() / 16 / kStride);
  if (slots == 0) return false;
  const size_t bytes = slots * kStride + kPageSize;
  const size_t record_bytes = AlignUp(slots * sizeof(Slot), kPageSize);
  constexpr auto kNoAccess = PageSource::Access::kNone;
  char* records = static_cast<char*>(
      pages_.Reserve(record_bytes + 2 * kPageSize, kPageSize, kNoAccess));
  if (records == nullptr) return false;
  void* memory = pages_.Reserve(bytes, kPageSize, kNoAccess);
  if (memory == nullptr || !pages_.Commit(records + kPageSize, record_bytes)) {
    if (memory != nullptr) pages_.Release(memory, bytes);
    pages_.Release(records, record_bytes + 2 * kPageSize);
    return false;
  }
  random_ = MixBits(seed) | 1;
  num_slots_ = slots;
  slots_ = reinterpret_cast<Slot*>(records + kPageSize);
  __atomic_store_n(&bytes_, bytes, __ATOMIC_RELAXED);
  __atomic_store_n(&base_, reinterpret_cast<uintptr_t>(memory),
                   __ATOMIC_RELEASE);
  return true;
}

// --- Allocating. ---

char* GuardedPool::Allocate(size_t size, size_t alignment,
                            const GuardedTrace& who) {
  const size_t page_bytes = AlignUp(Max(size, 1), kPageSize);
  MutexLock lock(mutex_);
  const size_t index = TakeSlot();
  if (index == kNone) return nullptr;
  Slot& slot = slots_[index];
  // Programs write too far behind a block more often than before it.
  const bool is_at_end = NextRandom() % 4 != 0;
  char* pages =
      StartOf(index) + (is_at_end ? kSlotBytes - page_bytes : size_t{0});
  if (!pages_.Commit(pages, page_bytes)) {
    ReturnSlot(index);
    return nullptr;
  }
  const size_t offset =
      AlignDown(page_bytes - Max(size, 1), Max(alignment, kMinAlignment));
  slot.block.start = pages + (is_at_end ? offset : 0);
  slot.block.bytes = size;
  slot.block.allocated = who;
  slot.block.freed.count = 0;
  slot.page_bytes = page_bytes;
  char* end = EndOf(slot.block);
  const size_t pattern = PatternBytes(end, pages + page_bytes);
  for (size_t i = 0; i < pattern; ++i) end[i] = PatternAt(end + i);
  __atomic_store_n(&slot.block.is_live, true, __ATOMIC_RELEASE);
  ++figures_.allocations;
  figures_.live_bytes += size;
  figures_.page_bytes += page_bytes;
  figures_.peak_live_bytes = Max(figures_.peak_live_bytes, figures_.live_bytes);
  return slot.block.start;
}

// One that was never used, else the one that has been free for longest.
size_t GuardedPool::TakeSlot() {
  if (used_slots_ != num_slots_) {
    const size_t index = used_slots_;
    __atomic_store_n(&used_slots_, index + 1, __ATOMIC_RELEASE);
    return index;
  }
  const uint32_t index = oldest_;
  if (index == kNone) return kNone;
  oldest_ = slots_[index].next;
  if (oldest_ == kNone) newest_ = kNone;
  return index;
}

void GuardedPool::ReturnSlot(size_t index) {
  slots_[index].next = kNone;
  const auto number = static_cast<uint32_t>(index);
  if (newest_ == kNone) {
    oldest_ = number;
  } else {
    slots_[newest_].next = number;
  }
  newest_ = number;
}

// Marsaglia, "Xorshift RNGs", 2003.
uint64_t GuardedPool::NextRandom() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_ >> 32;
}

// --- Freeing. ---

const char* GuardedPool::Free(void* ptr, const GuardedTrace& who) {
  MutexLock lock(mutex_);
  size_t size;
  const char* wrong = Find(ptr, &size);
  if (wrong != nullptr) return wrong;
  const size_t index = IndexOf(ptr);
  Slot& slot = slots_[index];
  wrong = WhatIsOverwritten(slot);
  if (wrong != nullptr) return wrong;
  slot.block.freed = who;
  __atomic_store_n(&slot.block.is_live, false, __ATOMIC_RELEASE);
  // Where the system refuses, what is written to it later is not seen.
  if (pages_.Decommit(PagesOf(slot.block), slot.page_bytes) ||
      pages_.Purge(PagesOf(slot.block), slot.page_bytes) ||
      ClearLocked(PagesOf(slot.block), slot.page_bytes)) {
    ReturnSlot(index);
  }
  ++figures_.frees;
  figures_.live_bytes -= size;
  figures_.page_bytes -= slot.page_bytes;
  return nullptr;
}

// Pages that the program has locked in memory (mlockall) keep what they have:
// the next block there must find zeros. False: they can't be reached any more.
bool GuardedPool::ClearLocked(char* pages, size_t bytes) {
  if (!pages_.Commit(pages, bytes)) return false;
  memset(pages, 0, bytes);
  pages_.Decommit(pages, bytes);
  return true;
}

const char* GuardedPool::WhatIsOverwritten(const Slot& slot) {
  const char* pages = PagesOf(slot.block);
  const char* pages_end = pages + slot.page_bytes;
  const char* end = EndOf(slot.block);
  const size_t pattern = PatternBytes(end, pages_end);
  bool is_whole = AreZero(end + pattern, pages_end);
  for (size_t i = 0; i < pattern; ++i) {
    is_whole = is_whole && end[i] == PatternAt(end + i);
  }
  if (!is_whole) return "write behind the end of a block";
  return AreZero(pages, slot.block.start) ? nullptr : "write before a block";
}

// --- Looking. ---

const char* GuardedPool::Find(const void* ptr, size_t* bytes) const {
  const size_t index = IndexOf(ptr);
  if (index >= used_slots()) return "free of a foreign address";
  const Slot& slot = slots_[index];
  if (ptr == Peek(slot.block.start) && Peek(slot.block.is_live)) {
    *bytes = Peek(slot.block.bytes);
    return nullptr;
  }
  return WhyNotLive(slot, ptr);
}

const char* GuardedPool::WhyNotLive(const Slot& slot, const void* ptr) const {
  const char* start = Peek(slot.block.start);
  if (start == nullptr) return "free of a foreign address";
  return Peek(slot.block.is_live) ||
                 (ptr != start &&
                  static_cast<const char*>(ptr) - start <
                      static_cast<ptrdiff_t>(Peek(slot.block.bytes)) &&
                  ptr > start)
             ? "free of an address inside a block"
             : "double free";
}

bool GuardedPool::BlockAt(const void* address, GuardedBlock* block) const {
  const size_t used = used_slots();
  size_t index = IndexOf(address);
  const size_t offset =
      reinterpret_cast<uintptr_t>(address) - base() - index * kStride;
  // Of a page between two slots the first half belongs to the one before.
  if (index != 0 && offset < kPageSize &&
      (offset < kPageSize / 2 || index >= used ||
       Peek(slots_[index].block.start) == nullptr)) {
    --index;
  }
  if (index >= used || Peek(slots_[index].block.start) == nullptr) return false;
  *block = slots_[index].block;
  return true;
}

bool GuardedPool::NextLive(size_t* slot, GuardedBlock* block) const {
  for (const size_t used = used_slots(); *slot < used; ++*slot) {
    if (!Peek(slots_[*slot].block.is_live)) continue;
    *block = slots_[*slot].block;
    return true;
  }
  return false;
}

size_t GuardedPool::used_slots() const {
  return __atomic_load_n(&used_slots_, __ATOMIC_ACQUIRE);
}

bool GuardedPool::IsFull() const {
  return Peek(oldest_) == kNone && used_slots() == num_slots_;
}

GuardedPool::Figures GuardedPool::figures() const {
  return {Peek(figures_.allocations), Peek(figures_.frees),
          Peek(figures_.live_bytes), Peek(figures_.page_bytes),
          Peek(figures_.peak_live_bytes)};
}

}  // namespace myonly::internal
