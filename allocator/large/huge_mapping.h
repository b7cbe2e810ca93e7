// Blocks above the large limit: a mapping each, resized rather than copied, and
// recycled rather than unmapped.
//
// Allocate: a kept piece that is large enough, cut to fit; else kept pieces are
//           joined by moving their pages (mremap), so that only what is missing
//           faults; else a new one.
// Free:     keep it, resident, while all that is kept stays within
//           max(cache floor, live / 32, KeepBudget's); else give it back.
// A mapping that was joined is several mappings to the system, each of them a
// piece: it is resized by copying, and its pieces are kept one by one. The
// system's mappings have numbers, so that pieces of one find together.
// The records are in a tree by address: any address can be asked for.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_LARGE_HUGE_MAPPING_H_
#define MYONLY_ALLOCATOR_LARGE_HUGE_MAPPING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "allocator/base/invariant.h"
#include "allocator/base/mutex.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"
#include "allocator/large/backoff.h"
#include "allocator/large/keep_budget.h"
#include "allocator/large/mapping_cache.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

// The record of one mapping; it is metadata, never inside the mapping.
struct HugeMapping {
  static constexpr size_t kMaxPieces = 16;

  char* start;
  size_t bytes;  // whole pages, all of them usable
  void* owner;
  HugeMapping* previous;  // the owner's list
  HugeMapping* next;      // the owner's list, or the list of spare records
  HugeMapping* left;
  HugeMapping* right;
  bool has_guard;  // the page behind it faults without a mapping of its own
  uint32_t num_pieces;
  uint32_t piece_pages[kMaxPieces];    // in the order of their addresses
  uint32_t piece_mapping[kMaxPieces];  // as in PageRange

  // For PeekAt, which takes no lock. The lowest bit of the size tells that the
  // mapping is about to move. Records are never given back.
  HugeMapping* next_record;
  std::atomic<char*> seen_start;  // NULL: not live
  std::atomic<size_t> seen_bytes;
};

class HugeMappings {
 public:
  constexpr HugeMappings(PageSource& pages, MetadataAllocator& metadata)
      : pages_(pages), metadata_(metadata) {}

  // Larger ones are refused: a piece counts its pages in 32 bits. The system
  // grants so much only where vm.overcommit_memory is 1.
  static constexpr size_t kMaxBytes = size_t{15} << 40;

  // The bytes to ask for where `size` is wanted: whole pages, or whole 2 MiB
  // where the system would fill these by one huge page and they are at most a
  // quarter more. The end of the block then faults once, and as a piece it
  // is kept without a tail.
  ABSL_ATTRIBUTE_COLD size_t RoundUp(size_t size, bool zeroed) const;

  // A mapping of at least `bytes`, aligned to `alignment` (a power of two), or
  // NULL. With `zeroed` it reads as zero: a new mapping, not a recycled one.
  // `*fresh_bytes` of it are not resident yet.
  ABSL_ATTRIBUTE_COLD HugeMapping* Allocate(size_t bytes, size_t alignment,
                                            bool zeroed, void* owner,
                                            size_t* fresh_bytes);

  // `mapping` must not be in its owner's list any more.
  ABSL_ATTRIBUTE_COLD void Free(HugeMapping* mapping);

  // The same, but every touch of it faults, until kMaxPoisoned mappings have
  // been freed so after it, or addresses are short.
  ABSL_ATTRIBUTE_COLD void FreePoisoned(HugeMapping* mapping);

  // Changes the size, and the address if `may_move`. False: nothing changed.
  // With a limit that counts it the mapping has no more than was asked for.
  ABSL_ATTRIBUTE_COLD bool Resize(HugeMapping* mapping, size_t bytes,
                                  bool may_move, bool is_limited = false);

  // The live mapping that has `address`, or NULL. Safe for every address.
  ABSL_ATTRIBUTE_COLD HugeMapping* Find(const void* address);

  // The same without a lock, from any signal handler: one that is being made,
  // freed or moved may be found or not. Time grows with the number of mappings.
  ABSL_ATTRIBUTE_COLD const HugeMapping* PeekAt(const void* address) const;

  // The live mapping with the lowest start above `address`, or NULL; that start
  // is in `*start`. The mapping stays as it is while the caller holds its
  // owner's lock.
  ABSL_ATTRIBUTE_COLD HugeMapping* FindAfter(const void* address, char** start);

  // Whether [start, start + bytes) has some of what was freed and is kept, to
  // be used again or to fault.
  ABSL_ATTRIBUTE_COLD bool HasFreed(const char* start, size_t bytes);

  // Unmaps what is kept until at most `keep_bytes` are. Returns the bytes.
  size_t Purge(size_t keep_bytes);

  // Unmaps the one that has faulted for longest since it was freed. False:
  // nothing does.
  ABSL_ATTRIBUTE_COLD bool ReleaseOldest();

  // Unmaps what is over the budget, which shrinks with time. `now_ms` is
  // CoarseMs().
  void PurgeWithTime(uint64_t now_ms);

  void set_cache_floor_bytes(size_t bytes);
  // Whether new mappings that need not be zero are advised to have huge pages,
  // where the system fills 2 MiB as soon as a byte is touched: large ones, and
  // others if the one before has been filled; each if its first one came fast.
  void set_wants_huge_pages(bool wants) {
    wants_huge_pages_.store(wants, std::memory_order_relaxed);
  }
  size_t cached_bytes();
  size_t live_bytes();

  // False if an invariant does not hold: `*broken` says which.
  ABSL_ATTRIBUTE_COLD bool Check(BrokenInvariant* broken);
  // Dies then.
  ABSL_ATTRIBUTE_COLD void CheckInvariants();

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  // More mappings than this are not joined: the system allows a process only so
  // many pieces.
  static constexpr size_t kMaxLiveToJoin = 4096;
  static constexpr size_t kMaxPoisoned = 64;
  // A huge page in vain is a sixteenth of such a mapping.
  static constexpr size_t kAlwaysFilledBytes = size_t{32} << 20;
  static constexpr int kPeakShift = 9;
  static constexpr size_t kPieceAlignment = MappingCache::kPieceAlignment;
  // In the secure preset each mapping has pages at its end, which `bytes`
  // leaves out and nothing may touch. None is kept to be used again, as all are
  // freed by FreePoisoned.
  static constexpr size_t kGuardBytes = kIsSecure ? kPageSize : 0;

  using Surplus = MappingCache::Surplus;
  // What was taken out of the cache for one mapping.
  struct Taken {
    PageRange ranges[HugeMapping::kMaxPieces - 1];
    size_t count = 0;
  };
  struct Order {
    static HugeMapping*& Left(HugeMapping& m) { return m.left; }
    static HugeMapping*& Right(HugeMapping& m) { return m.right; }
    static bool Less(const HugeMapping& a, const HugeMapping& b) {
      return a.start < b.start;
    }
    static uint64_t Priority(const HugeMapping& m) {
      return MixBits(reinterpret_cast<uintptr_t>(&m));
    }
  };

  // A number for a new mapping of the system's.
  uint32_t NewMapping() {
    return num_mappings_.fetch_add(1, std::memory_order_relaxed);
  }

  static void Show(HugeMapping* mapping, bool moves = false) {
    mapping->seen_bytes.store(mapping->bytes | (moves ? 1 : 0),
                              std::memory_order_release);
    mapping->seen_start.store(mapping->start, std::memory_order_release);
  }
  static void Hide(HugeMapping* mapping) {
    mapping->seen_start.store(nullptr, std::memory_order_release);
  }

  HugeMapping* NewRecord() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FreeRecord(HugeMapping* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Taken TakeKept(size_t bytes, size_t alignment)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t Join(const Taken& taken, size_t bytes, HugeMapping* mapping)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool MovePiece(PageRange range, size_t bytes, HugeMapping* mapping)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void KeepTail(PageRange range, size_t used) ABSL_LOCKS_EXCLUDED(mutex_);
  bool ResizeGuarded(HugeMapping* mapping, size_t bytes, bool may_move);
  // Lets the page behind a mapping fault, if the system can do that.
  void SetGuard(HugeMapping* mapping);
  // False: it still does.
  bool TakeGuardOff(const HugeMapping& mapping);
  // Whether the program fills its mappings, as the newest fresh one tells.
  ABSL_ATTRIBUTE_COLD void LookAtNewest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WantsHugePages(size_t bytes, bool zeroed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // One more, of which so much would have been taken from what is kept.
  void CountLive(size_t bytes, size_t missed_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD void InsertLive(HugeMapping* mapping)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD HugeMapping* FirstEndingBehind(const char* address)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // It is not live any more.
  ABSL_ATTRIBUTE_COLD void TakeOut(HugeMapping* mapping)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t CacheBudget() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PageRange TakeOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unmap(PageRange range);
  void Unmap(const Surplus& surplus);
  void UnlockAndUnmap(const Surplus& surplus) ABSL_UNLOCK_FUNCTION(mutex_);

  PageSource& pages_;
  MetadataAllocator& metadata_;
  Mutex mutex_{LockRank::kHugeMapping};
  Treap<HugeMapping, Order> live_ ABSL_GUARDED_BY(mutex_);
  std::atomic<HugeMapping*> records_{nullptr};  // all that were ever made
  HugeMapping* spare_ ABSL_GUARDED_BY(mutex_) = nullptr;
  HugeMapping* poisoned_ ABSL_GUARDED_BY(mutex_) = nullptr;  // the oldest
  HugeMapping* last_poisoned_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t num_poisoned_ ABSL_GUARDED_BY(mutex_) = 0;
  MappingCache cache_ ABSL_GUARDED_BY(mutex_);
  size_t num_live_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t live_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  KeepBudget keep_ ABSL_GUARDED_BY(mutex_){kPeakShift};
  std::atomic<uint32_t> num_mappings_{0};  // that there ever were, mod 2 ^ 32
  std::atomic<bool> wants_huge_pages_{false};
  const HugeMapping* newest_  // of the fresh ones, until it has been looked at
      ABSL_GUARDED_BY(mutex_) = nullptr;
  bool are_filled_ ABSL_GUARDED_BY(mutex_) = false;
  Backoff huge_pages_ ABSL_GUARDED_BY(mutex_);
  size_t cache_floor_bytes_ ABSL_GUARDED_BY(mutex_) = size_t{16} << 20;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_HUGE_MAPPING_H_
