// Blocks above the large limit: a mapping each, resized rather than copied, and
// recycled rather than unmapped.
//
// Allocate: the freed mapping nearest in size, cut or grown (mremap) to fit, so
//           that only the difference faults; else a new one.
// Free:     keep it, resident, while all that is kept stays within
//           max(cache floor, live / 16), or below the recent peak and live / 2;
//           else give it back.
// The records are in a tree by address: any address can be asked for.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_LARGE_HUGE_MAPPING_H_
#define MYONLY_ALLOCATOR_LARGE_HUGE_MAPPING_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "allocator/base/mutex.h"
#include "allocator/base/treap.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

// The record of one mapping; it is metadata, never inside the mapping.
struct HugeMapping {
  char* start;
  size_t bytes;  // whole pages, all of them usable
  void* owner;
  HugeMapping* previous;  // the owner's list
  HugeMapping* next;      // the owner's list, or the list of spare records
  HugeMapping* left;
  HugeMapping* right;
};

class HugeMappings {
 public:
  constexpr HugeMappings(PageSource& pages, MetadataAllocator& metadata)
      : pages_(pages), metadata_(metadata) {}

  // A mapping of at least `bytes`, aligned to `alignment` (a power of two), or
  // NULL. With `zeroed` it reads as zero: a new mapping, not a recycled one.
  HugeMapping* Allocate(size_t bytes, size_t alignment, bool zeroed,
                        void* owner);

  // `mapping` must not be in its owner's list any more.
  void Free(HugeMapping* mapping);

  // Changes the size, and the address if `may_move`. False: nothing changed.
  bool Resize(HugeMapping* mapping, size_t bytes, bool may_move);

  // The live mapping that has `address`, or NULL. Safe for every address.
  HugeMapping* Find(const void* address);

  // Unmaps what is kept until at most `keep_bytes` are. Returns the bytes.
  size_t Purge(size_t keep_bytes);

  void set_cache_floor_bytes(size_t bytes);
  size_t cached_bytes();
  size_t live_bytes();

  // Dies if an invariant does not hold.
  void CheckInvariants();

  Mutex& mutex_for_fork() { return mutex_; }

  static constexpr size_t kMaxCached = 8;

 private:
  struct Range {
    char* start;
    size_t bytes;
  };
  // What is to be unmapped once the lock is given up.
  struct Surplus {
    void Add(Range range) { ranges[count++] = range; }
    Range ranges[kMaxCached + 2];
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

  HugeMapping* NewRecord() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FreeRecord(HugeMapping* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Range TakeCached(size_t bytes, size_t alignment)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Range Fit(Range range, size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(Range range, Surplus* surplus)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TrimCache(Surplus* surplus) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t SmallestCached() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Range RemoveCached(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteLive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t CacheBudget() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unmap(Range range);
  void Unmap(const Surplus& surplus);

  PageSource& pages_;
  MetadataAllocator& metadata_;
  Mutex mutex_{LockRank::kHugeMapping};
  Treap<HugeMapping, Order> live_ ABSL_GUARDED_BY(mutex_);
  HugeMapping* spare_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Range cached_[kMaxCached] ABSL_GUARDED_BY(mutex_) = {};
  size_t num_cached_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t cached_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t live_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t peak_live_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // recent
  size_t cache_floor_bytes_ ABSL_GUARDED_BY(mutex_) = size_t{16} << 20;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_HUGE_MAPPING_H_
