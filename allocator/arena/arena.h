// An independent heap: blocks in regions for requests up to 64 KiB, runs of
// slices up to 4 MiB, mappings beyond. Threads that use it much have shares of
// it, which need no lock; what is here is what they have in common.
//
// Allocate: by size -> bins | run pool | huge mappings.
// Free:     the caller has found this arena by the block's address; the block
//           is checked, then goes back the same way.
// Invariants: every run and mapping of the arena is in one of its lists or in
// one of its shares', and names that as its owner; what is held never passes
// the limit.
//
// Composed over any page source by the pools it is given; several arenas share
// them. Thread-safe: one lock, taken before the pools' locks.
#ifndef MYONLY_ALLOCATOR_ARENA_ARENA_H_
#define MYONLY_ALLOCATOR_ARENA_ARENA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "allocator/arena/arena_options.h"
#include "allocator/arena/block_heap.h"
#include "allocator/base/fault_plan.h"
#include "allocator/base/invariant.h"
#include "allocator/base/mutex.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/quota.h"
#include "allocator/large/run_pool.h"
#include "allocator/large/slice_cache.h"

namespace myonly::internal {

struct OwnGround;
class SubHeap;

class Arena {
 public:
  // `seed` gives a number that is hard to guess, another one each time, for the
  // seals of blocks; it is called when the first region is needed. `quick` may
  // be NULL.
  constexpr Arena(RunPool& runs, HugeMappings& huge, uint64_t (*seed)(),
                  const char* name, QuickLists* quick = nullptr)
      : runs_(runs),
        huge_(huge),
        blocks_({runs, quota_}, huge, seed, RunKind::kRegion, this, quick) {
    for (size_t i = 0; i < kMaxArenaName && name[i] != '\0'; ++i) {
      name_[i] = name[i];
    }
  }
  // The same in one place, as it is much code: a closed arena of the program.
  ABSL_ATTRIBUTE_COLD static Arena Make(RunPool& runs, HugeMappings& huge,
                                        uint64_t (*seed)());
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes a closed arena, or one never used, a new one: its counters start at
  // 0. What it holds is charged to `parent`, too, unless that is NULL.
  ABSL_ATTRIBUTE_COLD void Open(const ArenaOptions& options,
                                Quota* parent = nullptr);

  // --- Allocating. NULL: `*status` says why; it is not touched on success. ---

  void* Allocate(size_t size, Status* status) {
    return AllocateAligned(size, kMinAlignment, status);
  }

  ABSL_ATTRIBUTE_COLD void* AllocateZeroed(size_t size, Status* status);

  // `alignment` is a power of two.
  void* AllocateAligned(size_t size, size_t alignment, Status* status);

  // In the secure preset: for what realloc makes larger than a block. It may
  // grow where it is, as more addresses are behind it than it needs; until then
  // they fault.
  ABSL_ATTRIBUTE_COLD void* AllocateToGrow(size_t size, Status* status);

  // --- On live blocks of this arena; a bad pointer is reported and aborts. ---
  // After a bad free the caller may go on, if the option says so.

  // `region` is the descriptor of the slice at `ptr`.
  ABSL_ATTRIBUTE_COLD void FreeBlock(const Slice* region, void* ptr);

  // `slice` is any of the run that is the block.
  void FreeLarge(const Slice* slice, void* ptr);
  ABSL_ATTRIBUTE_COLD void FreeHuge(HugeMapping* mapping, void* ptr);

  // Resize in place: false if that can't be done. For pages `may_move` tells
  // whether a mapping may move; the new address is in `*ptr`.
  ABSL_ATTRIBUTE_COLD bool ResizeBlock(const Slice* region, void* ptr,
                                       size_t size);
  ABSL_ATTRIBUTE_COLD bool ResizeLarge(const Slice* slice, void* ptr,
                                       size_t size);
  ABSL_ATTRIBUTE_COLD bool ResizeHuge(HugeMapping* mapping, void** ptr,
                                      size_t size, bool may_move);

  // Usable bytes. Take no lock: the caller owns the block.
  size_t UsableBlock(const Slice* region,
                     void* ptr) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return blocks_.UsableSize(region, ptr);
  }
  const char* WhyNotLive(const Slice* region,
                         void* ptr) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return blocks_.WhyNotLive(region, ptr);
  }
  size_t UsableLarge(const Slice* slice, const void* ptr) const;
  static size_t UsableHuge(const HugeMapping* mapping, const void* ptr);

  // --- Threads' shares of it, for arenas of the program. ---

  // Opens a share that is in no arena's list. False: this arena is closed.
  ABSL_ATTRIBUTE_COLD bool OpenShare(SubHeap* share);

  // What only the owner of a share may look into, or whoever knows that the
  // owner does not use it: whether that is so for the owner with this token.
  using MayLook = bool (*)(uintptr_t token);
  static bool LookAtAll(uintptr_t /*token*/) { return true; }

  // --- The whole arena. No other thread may use it during Reset and Close. ---

  // Drops every block. Single slices go into the caller's `cache` if it has
  // one.
  void Reset(SliceCache* cache = nullptr) { ResetIf(token_, cache); }
  // The same unless it is closed, or another arena by now: false.
  ABSL_ATTRIBUTE_COLD bool ResetIf(uintptr_t token, SliceCache* cache);
  // The same, and the arena is no more. False and nothing done if
  // `require_empty` and a block is live, if it has children, or if a callback
  // of it is running.
  ABSL_ATTRIBUTE_COLD bool Close(bool require_empty,
                                 SliceCache* cache = nullptr);

  // Coalesces what waits in quick lists, gives wholly free regions back, and
  // purges the pages inside free blocks, and free runs if they are its own.
  // Returns the bytes purged.
  size_t Purge(MayLook may_look = LookAtAll) {
    return PurgeTo(token_, 0, may_look);
  }

  // The same until about `keep_bytes` of what is not live are left in its
  // regions and slabs; nothing if it is closed, or another arena than that of
  // the token by now.
  ABSL_ATTRIBUTE_COLD size_t PurgeTo(uintptr_t token, size_t keep_bytes,
                                     MayLook may_look);

  // At the limit: its own blocks and the shares that may be looked into give
  // back what they keep free, the owners of the others are asked to. True:
  // something went back.
  ABSL_ATTRIBUTE_COLD bool ReleaseSpare(MayLook may_look);
  // The owner of a share, who is in no call for this arena, does what it was
  // asked to.
  ABSL_ATTRIBUTE_COLD void ReleaseSpareOf(SubHeap* share);

  // Gives the large run that has `slice`, or else a mapping, to another arena
  // of the same tree; `ptr` is its block. The caller sees to it that nobody
  // opens, closes or moves meanwhile.
  ABSL_ATTRIBUTE_COLD Status MoveTo(Arena& to, const Slice* slice,
                                    HugeMapping* mapping, const void* ptr);

  // Shares that may not be looked into tell what they published last.
  ABSL_ATTRIBUTE_COLD ArenaStats Stats(MayLook may_look = LookAtAll);

  // The same from a signal handler, at any time: what calls in progress change
  // may be missing, and huge blocks are not counted apart.
  ABSL_ATTRIBUTE_COLD ArenaStats PeekStats() const;
  uint64_t PeekSealKey() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return blocks_.PeekSealKey();
  }

  // False if an invariant does not hold: `*broken` says which. Those of what
  // may not be looked into are left out.
  ABSL_ATTRIBUTE_COLD bool CheckInvariants(MayLook may_look,
                                           BrokenInvariant* broken);

  uint32_t resets() const { return resets_.load(std::memory_order_relaxed); }

  // What it and its shares hold, and may hold.
  const char* name() const { return name_; }
  Quota& quota() { return quota_; }

  // What it drops faults when it is touched. Its threads have no shares then.
  bool poisons() const { return poisons_; }

  // The same for large and huge blocks that are freed or dropped, in the secure
  // preset; unless the memory is the program's.
  bool PoisonsPages() const {
    return poisons_ || (kIsSecure && ground_ == nullptr);
  }

  // Memory of its own (own_ground.h); NULL: it has the process's. Its threads
  // have no shares then, and large blocks are runs however large they are.
  OwnGround* ground() const { return ground_; }
  void set_ground(OwnGround* ground) { ground_ = ground; }
  // Before anything is allocated: BlockHeap::KeepSealsApart.
  ABSL_ATTRIBUTE_COLD void KeepSealsApart(uint64_t key)
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    blocks_.KeepSealsApart(key);
  }
  RunPool& runs() { return runs_; }

  // Requests to it that shall fail, for tests of programs. While there is a
  // plan no thread finds its share.
  FaultPlan& faults() { return faults_; }
  // Begins one, or ends it if `options` is NULL: `*failures` requests have
  // failed. Not while threads allocate in it. kBusy: there is one; kInvalid:
  // none, to end; kStale: it is closed, or another arena by now.
  ABSL_ATTRIBUTE_COLD Status SetFaults(uintptr_t token,
                                       const FaultOptions* options,
                                       uint64_t* failures);

  // A value for whoever registers arenas: their handle. 0 at first.
  uintptr_t token() const { return token_; }
  uintptr_t PeekToken() const { return Peek(token_); }
  // False from before the first block goes by Close().
  bool PeekIsOpen() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return Peek(is_open_);
  }
  void set_token(uintptr_t token) {
    MutexLock lock(mutex_);
    token_ = token;
  }

  // For whoever registers it, too: it is not closed while there are any.
  uint32_t& visitors() { return visitors_; }

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  friend class HeapExplainer;
  friend class HeapWalk;

  // Where runs for large blocks come from: without growing the pool; from
  // everywhere; the same with kRoomToGrow times the addresses, in secure only.
  enum class RunSource : uint8_t { kFree, kAny, kAnyWithRoom };
  static constexpr size_t kRoomToGrow = 4;
  // In all, or as much as is in use.
  static constexpr size_t kMaxRoomBytes = size_t{64} << 20;

  void* AllocatePages(size_t size, size_t alignment, bool zeroed,
                      Status* status);
  void* AllocateLarge(size_t size, size_t alignment, bool zeroed,
                      RunSource source, Status* status);
  ABSL_ATTRIBUTE_COLD void* AllocateHuge(size_t size, size_t alignment,
                                         bool zeroed, Status* status);
  ABSL_ATTRIBUTE_COLD void* AllocateHugeOrFree(size_t size, size_t alignment,
                                               bool zeroed, Status* status);
  Slice* TakeRun(size_t slices, RunSource source, bool* is_zero)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteLarge(Slice* run, size_t bytes, size_t usable)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayHaveRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a large block in the secure preset: whether it can have so many pages,
  // and one that faults behind them; makes them usable, or returns false.
  bool HasRoom(const Slice* run, size_t pages) const;
  bool OpenRoom(Slice* run, size_t pages);

  // Destroyed since the caller found it. The default arena is never opened.
  bool IsClosed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ABSL_PREDICT_FALSE(!is_open_) && token_ != 0;
  }
  bool IsNot(uintptr_t token) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return token_ != token || IsClosed();
  }
  // A run that holds a live block of this arena. NULL does not.
  bool IsLiveLarge(const Slice* run) const {
    return run != nullptr && run->kind == RunKind::kLarge && run->owner == this;
  }
  void* AllocateBlock(size_t size, size_t alignment, Status* status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On slow paths, now and then: gives back what has long been unused.
  ABSL_ATTRIBUTE_COLD void Decay();
  // Free ones of memory of its own, down to that; else there are none.
  ABSL_ATTRIBUTE_COLD size_t PurgeOwnRuns(size_t keep_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD void DropAll(SliceCache* cache, bool reset)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool CheckPages(size_t* live_bytes, size_t* live_blocks,
                                      BrokenInvariant* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool CheckShares(MayLook may_look,
                                       BrokenInvariant* broken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Charges pages, or blocks where those are counted, if they stay within the
  // limit; to that end it gives back what is kept free.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Charge(size_t page_bytes,
                                           size_t block_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ABSL_PREDICT_TRUE(quota_.ChargeEither(page_bytes, block_bytes)) ||
           ChargeAfterPurge(page_bytes, block_bytes);
  }
  ABSL_ATTRIBUTE_COLD bool ChargeAfterPurge(size_t page_bytes,
                                            size_t block_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What was freed is charged until its pages are back: meanwhile a check knows
  // how much that is. Of arenas of the program only.
  void BeginReturn(size_t page_bytes, size_t block_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (token_ == 0) return;
    returning_bytes_.fetch_add(
        quota_.counts_blocks() ? block_bytes : page_bytes,
        std::memory_order_relaxed);
  }
  void EndReturn(size_t page_bytes, size_t block_bytes) {
    quota_.ReturnEither(page_bytes, block_bytes);
    if (token_ == 0) return;
    returning_bytes_.fetch_sub(
        quota_.counts_blocks() ? block_bytes : page_bytes,
        std::memory_order_release);
  }
  // What a large run is charged.
  size_t ChargeOf(size_t slices, size_t usable_pages) const {
    return quota_.counts_blocks() ? usable_pages * kPageSize
                                  : slices * kSliceSize;
  }
  // Where blocks are counted: charges one that was just taken, or frees it.
  ABSL_ATTRIBUTE_COLD bool ChargeBlock(void* ptr)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool ResizeCounted(const Slice* region, void* ptr,
                                         size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Usable bytes of live blocks. Those in regions are what is not free, so that
  // the fast paths count blocks only.
  size_t LiveBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return page_live_bytes_ +
           blocks_.LiveBytes(allocations_ - frees_ - page_live_blocks_);
  }
  // Of what takes pages.
  ABSL_ATTRIBUTE_NOINLINE void NotePeak() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RunPool& runs_;
  HugeMappings& huge_;
  Quota quota_;
  Mutex mutex_{LockRank::kArena};
  bool is_open_ ABSL_GUARDED_BY(mutex_) = false;
  OwnGround* ground_ = nullptr;
  bool poisons_ = false;  // constant while it is open
  SubHeap* shares_ ABSL_GUARDED_BY(mutex_) = nullptr;
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
  std::atomic<uint32_t> resets_{0};
  uint32_t visitors_ = 0;
  std::atomic<size_t> returning_bytes_{0};  // grows under the lock
  FaultPlan faults_;
  uintptr_t token_ = 0;
  char name_[kMaxArenaName + 1] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_ARENA_H_
