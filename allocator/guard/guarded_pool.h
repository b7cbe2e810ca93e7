// Blocks that have pages of their own: of all that are allocated a few, chosen
// at random, so that what else can't be seen is caught in some of many runs.
//
//   | no access | slot 0: 16 pages | no access | slot 1: 16 pages | no access |
//
// Of a slot only the pages of its live block may be touched. The block lies at
// one of their two ends, so that the first access beyond that faults; what is
// written beyond the other end is seen when it is freed. A freed block's pages
// fault until all other slots have been used: it is the one that has been free
// for longest that is used again. Of each block it keeps who allocated and who
// freed it, out of reach of what is written to blocks.
//
// A slot takes two mappings of the process at most, and memory for its live
// block and its record.
//
// Thread-safe; what is const may be called in a signal handler.
#ifndef MYONLY_ALLOCATOR_GUARD_GUARDED_POOL_H_
#define MYONLY_ALLOCATOR_GUARD_GUARDED_POOL_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "allocator/base/mutex.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

// Who has done something.
struct GuardedTrace {
  static constexpr size_t kFrames = 16;

  uint64_t thread;  // the system's number of it
  size_t count;
  void* frames[kFrames];
};

struct GuardedBlock {
  bool Has(const void* ptr) const {
    const auto* address = static_cast<const char*>(ptr);
    return start <= address && address < start + Max(bytes, 1);
  }

  char* start;  // NULL: the slot has never been used
  size_t bytes;
  bool is_live;
  GuardedTrace allocated;
  GuardedTrace freed;
};

class GuardedPool {
 public:
  static constexpr size_t kSlotBytes = 16 * kPageSize;
  static constexpr size_t kStride = kSlotBytes + kPageSize;
  static constexpr size_t kMaxSlots = 4096;

  // What it has been used for.
  struct Figures {
    uint64_t allocations;
    uint64_t frees;
    size_t live_bytes;
    size_t page_bytes;  // of pages with live blocks
    size_t peak_live_bytes;
  };

  constexpr explicit GuardedPool(PageSource& pages) : pages_(pages) {}

  // Reserves up to `slots`, or fewer where addresses are short. False: none.
  // Does nothing if it has some.
  bool Open(size_t slots, uint64_t seed);

  // It is an address of a slot or of a page between them.
  bool Has(const void* ptr) const {
    return reinterpret_cast<uintptr_t>(ptr) - base() < bytes();
  }

  static bool Serves(size_t size, size_t alignment) {
    return size <= kSlotBytes && alignment <= kPageSize;
  }

  // A block of zeros, or NULL: all slots are in use, or the system refuses.
  char* Allocate(size_t size, size_t alignment, const GuardedTrace& who);

  // NULL: it is free now. Else what is wrong, and nothing is done: no live
  // block begins there, or something was written next to the block.
  const char* Free(void* ptr, const GuardedTrace& who);

  // NULL, and its size: a live block begins there. Else what is wrong.
  const char* Find(const void* ptr, size_t* bytes) const;

  // The block that an access of the address belongs to: the one of its slot,
  // or the nearer one. False: there is none. Of what other threads change
  // meanwhile parts may be of another block.
  bool BlockAt(const void* address, GuardedBlock* block) const;
  // In `*slot` and above, the next slot with a live block.
  bool NextLive(size_t* slot, GuardedBlock* block) const;

  Figures figures() const;
  // Every slot has a live block, or will have in a moment.
  bool IsFull() const ABSL_NO_THREAD_SAFETY_ANALYSIS;
  // How many slots have ever been used.
  size_t used_slots() const;

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  struct Slot {
    GuardedBlock block;
    size_t page_bytes;
    uint32_t next;  // of those that are free: the one freed after it; or kNone
  };
  static constexpr uint32_t kNone = ~uint32_t{0};

  uintptr_t base() const { return __atomic_load_n(&base_, __ATOMIC_ACQUIRE); }
  size_t bytes() const { return __atomic_load_n(&bytes_, __ATOMIC_RELAXED); }
  // Of the slot that has the address, or of the page before it.
  size_t IndexOf(const void* address) const {
    return (reinterpret_cast<uintptr_t>(address) - base_) / kStride;
  }
  char* StartOf(size_t index) const {
    return reinterpret_cast<char*>(base_ + index * kStride + kPageSize);
  }
  static char* PagesOf(const GuardedBlock& block) {
    return reinterpret_cast<char*>(
        AlignDown(reinterpret_cast<uintptr_t>(block.start), kPageSize));
  }
  // NULL: nothing was written next to the block.
  bool ClearLocked(char* pages, size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static const char* WhatIsOverwritten(const Slot& slot);
  const char* WhyNotLive(const Slot& slot, const void* ptr) const;

  size_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReturnSlot(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t NextRandom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  PageSource& pages_;
  // Written once.
  uintptr_t base_ = 0;
  size_t bytes_ = 0;
  size_t num_slots_ = 0;
  Slot* slots_ = nullptr;
  mutable Mutex mutex_{LockRank::kGuardedPool};
  size_t used_slots_ = 0;
  uint32_t oldest_ ABSL_GUARDED_BY(mutex_) = kNone;
  uint32_t newest_ ABSL_GUARDED_BY(mutex_) = kNone;
  uint64_t random_ ABSL_GUARDED_BY(mutex_) = 0;
  Figures figures_ = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_GUARDED_POOL_H_
