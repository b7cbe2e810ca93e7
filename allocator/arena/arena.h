// An independent heap: blocks in regions for requests up to 64 KiB, runs of
// slices up to 8 MiB, mappings beyond.
//
// Allocate: by size -> bins | run pool | huge mappings.
// Free:     the caller has found this arena by the block's address; the block
//           is checked, then goes back the same way.
// Invariants: every run and mapping of the arena is in one of its lists and
// names the arena as owner; what is held never passes the limit.
//
// Composed over any page source by the pools it is given; several arenas share
// them. Thread-safe: one lock, taken before the pools' locks.
#ifndef MYONLY_ALLOCATOR_ARENA_ARENA_H_
#define MYONLY_ALLOCATOR_ARENA_ARENA_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "allocator/arena/arena_options.h"
#include "allocator/arena/block_heap.h"
#include "allocator/base/mutex.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"

namespace myonly::internal {

class Arena {
 public:
  // `seed` gives a number that is hard to guess, for the seals of blocks; it is
  // called when the first region is needed.
  constexpr Arena(RunPool& runs, HugeMappings& huge, uint64_t (*seed)(),
                  const char* name)
      : runs_(runs),
        huge_(huge),
        blocks_(runs, huge, seed, RunKind::kRegion, this) {
    for (size_t i = 0; i < kMaxArenaName && name[i] != '\0'; ++i) {
      name_[i] = name[i];
    }
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes a closed arena, or one never used, a new one: its counters start at
  // 0.
  void Open(const ArenaOptions& options);

  // --- Allocating. NULL: `*status` says why; it is not touched on success. ---

  void* Allocate(size_t size, Status* status) {
    void* ptr = AllocateQuick(size);
    return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : AllocateSlow(size, status);
  }

  // The first half of Allocate: the first block of a quick list, while the
  // process has one thread, so that no lock is needed. NULL: the second half.
  void* AllocateQuick(size_t size) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (ABSL_PREDICT_FALSE(!Mutex::IsSingleThreaded())) return nullptr;
    void* ptr = blocks_.AllocateQuick(size);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) ++allocations_;
    return ptr;
  }

  void* AllocateSlow(size_t size, Status* status);

  void* AllocateZeroed(size_t size, Status* status);

  // `alignment` is a power of two.
  void* AllocateAligned(size_t size, size_t alignment, Status* status);

  // --- On live blocks of this arena; a bad pointer is reported and aborts. ---

  // `region` is the descriptor of the slice at `ptr`.
  void FreeBlock(const Slice* region, void* ptr);

  // The fast path of FreeBlock, as AllocateQuick. False, and nothing done: use
  // FreeBlock.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool FreeQuick(void* ptr)
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (ABSL_PREDICT_FALSE(!Mutex::IsSingleThreaded() ||
                           !blocks_.FreeQuick(ptr))) {
      return false;
    }
    ++frees_;
    return true;
  }

  void FreeLarge(Slice* run, void* ptr);
  void FreeHuge(HugeMapping* mapping, void* ptr);

  // Resize in place: false if that can't be done. For pages `may_move` tells
  // whether a mapping may move; the new address is in `*ptr`.
  bool ResizeBlock(const Slice* region, void* ptr, size_t size);
  bool ResizeLarge(Slice* run, void* ptr, size_t size);
  bool ResizeHuge(HugeMapping* mapping, void** ptr, size_t size, bool may_move);

  // Usable bytes. Take no lock: the caller owns the block.
  size_t UsableBlock(const Slice* region,
                     void* ptr) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return blocks_.UsableSize(region, ptr);
  }
  size_t UsableLarge(const Slice* run, const void* ptr) const;
  static size_t UsableHuge(const HugeMapping* mapping, const void* ptr);

  // --- The whole arena. ---

  // Drops every block.
  void Reset();
  // Reset, and gives every page back. False and nothing done if
  // `require_empty` and a block is live.
  bool Close(bool require_empty);

  // Coalesces what waits in quick lists, gives wholly free regions back, and
  // purges the pages inside free blocks. Returns the bytes purged.
  size_t Purge();

  ABSL_ATTRIBUTE_COLD ArenaStats Stats();

  // True if every invariant holds; else `*where` is an address at the fault.
  ABSL_ATTRIBUTE_COLD bool CheckInvariants(const void** where);

  // False and nothing changed if more than `bytes` are held. 0 = no limit.
  bool set_limit_bytes(size_t bytes);

  // A value for whoever registers arenas: their handle. 0 at first.
  uintptr_t token() const { return token_; }
  void set_token(uintptr_t token) { token_ = token; }

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  void* AllocatePages(size_t size, size_t alignment, bool zeroed,
                      Status* status);
  using TakeRun = Slice* (RunPool::*)(size_t, RunKind, void*, bool*);
  void* AllocateLarge(size_t size, size_t alignment, bool zeroed, TakeRun take,
                      Status* status);
  void* AllocateHuge(size_t size, size_t alignment, bool zeroed,
                     Status* status);

  void* AllocateBlock(size_t size, size_t alignment, Status* status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On slow paths, now and then: gives back what has long been unused.
  void Decay();
  void DropAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Whether `bytes` more of pages stay within the limit; to that end it gives
  // back what is kept free.
  bool Charge(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LimitAllows(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t HeldBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return blocks_.region_bytes() + large_bytes_ + huge_bytes_;
  }
  // Usable bytes of live blocks. Those in regions are what is not free, so that
  // the fast paths count blocks only.
  size_t LiveBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return page_live_bytes_ +
           blocks_.LiveBytes(allocations_ - frees_ - page_live_blocks_);
  }
  void NotePeak() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    peak_live_bytes_ = Max(peak_live_bytes_, LiveBytes());
  }

  RunPool& runs_;
  HugeMappings& huge_;
  Mutex mutex_{LockRank::kArena};
  uint64_t allocations_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t frees_ ABSL_GUARDED_BY(mutex_) = 0;
  BlockHeap blocks_ ABSL_GUARDED_BY(mutex_);
  Slice* large_ ABSL_GUARDED_BY(mutex_) = nullptr;
  HugeMapping* huge_list_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint32_t slow_allocations_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of live runs and mappings.
  size_t page_live_blocks_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t page_live_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t peak_live_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t large_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t huge_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t limit_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t resets_ ABSL_GUARDED_BY(mutex_) = 0;
  uintptr_t token_ = 0;
  char name_[kMaxArenaName + 1] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_ARENA_H_
