// Blocks of every size up to 64 KiB over regions from a run pool: what an arena
// keeps under its lock, and what a thread's share of an arena keeps for itself.
//
// Allocate: quick list | bins | what waits in quick lists is coalesced | a
//           region is added.
// Free:     the tag is checked, then a quick list; when those hold enough, the
//           blocks are coalesced, and wholly free regions go back.
// A thread's share and the default arena have quick lists; what an arena of the
// program keeps under its lock has none, as they take more memory than all the
// rest of it.
// Invariants: every region is in the list and names the owner; one wholly free
// region is kept, so that a block at the edge does not cost a region each time.
// A heap's first region is opened bit by bit, twice as much each time: tags are
// at the end of what is open, and a heap of few blocks shall touch one page.
//
// Externally synchronised, but for UsableSize and MarkPosted.
#ifndef MYONLY_ALLOCATOR_ARENA_BLOCK_HEAP_H_
#define MYONLY_ALLOCATOR_ARENA_BLOCK_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/invariant.h"
#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/quick_lists.h"
#include "allocator/large/charged_runs.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

class BlockHeap {
 public:
  // `owner` and `kind` go into the regions' descriptors. `seed` gives a number
  // that is hard to guess, another one to each heap, for the seals; it is
  // called for the first region. `quick` may be NULL.
  constexpr BlockHeap(ChargedRuns runs, HugeMappings& huge, uint64_t (*seed)(),
                      RunKind kind, void* owner, QuickLists* quick)
      : runs_(runs),
        huge_(huge),
        seed_(seed),
        owner_(owner),
        quick_(quick),
        kind_(kind) {}
  BlockHeap(const BlockHeap&) = delete;
  BlockHeap& operator=(const BlockHeap&) = delete;

  static constexpr size_t kMaxQuickRequest = kMaxQuickBytes - Block::kTagBytes;

  // The first block of a quick list, or NULL.
  void* AllocateQuick(size_t size) {
    return quick_ == nullptr
               ? nullptr
               : quick_->TakeFor(Block::BytesFor(size), kMinAlignment, owner_);
  }

  // From what is free. NULL: Grow is needed. `size` is at most
  // kMaxBlockRequest, as in all that follows.
  void* AllocateFree(size_t size, size_t alignment);

  // Adds a region if coalescing does not help. NULL: `*status` says why.
  ABSL_ATTRIBUTE_COLD void* Grow(size_t size, size_t alignment, Status* status);

  // Whether a block of this size and alignment is served here.
  static bool Serves(size_t size, size_t alignment);

  // `region` is the descriptor of the slice at `ptr`. False: a bad pointer was
  // reported, and nothing done.
  bool Free(const Slice* region, void* ptr);

  // A block that another thread frees: that thread marks it as not live, in
  // any case once, and the owner frees it later. False: as of Free.
  bool MarkPosted(const Slice* region, void* ptr);
  void FreePosted(const Slice* region, void* ptr);

  // In place; false if that can't be done.
  bool Resize(const Slice* region, void* ptr, size_t size);

  // 0 if no block is live there.
  size_t SizeIfLive(void* ptr) const {
    const uint64_t word = bins_.LiveTag(ptr);
    return word == 0 ? 0 : Block::SizeIn(word) - Block::kTagBytes;
  }
  // May be called by whoever owns the block, whatever its owner does.
  size_t UsableSize(const Slice* region, void* ptr) const;

  // Coalesces what waits in quick lists, until at most `keep_bytes` do.
  void FlushQuickLists(size_t keep_bytes);
  void FreeSpareRegion();

  // What has waited in quick lists for a while will not be wanted soon.
  void Decay(uint64_t now_ms);

  // Purges pages inside free blocks that are as the walk before has found them,
  // or `at_once`. Stops after `blocks` blocks; true: there is more of this
  // epoch.
  ABSL_ATTRIBUTE_COLD bool PurgeIdle(size_t blocks, bool at_once);
  void BeginEpoch() { idle_region_ = regions_; }

  // Its regions are in a block of a heap with this key. No tag here will pass
  // for one of that, ever: the keys differ in a bit that changes each seal.
  // What is dropped is cleared, as its key is kept.
  void KeepSealsApart(uint64_t key) {
    bins_.set_key(key ^ Block::kApartKeyBit);
    keeps_key_ = true;
  }

  // A thread that calls for little comes by more often, and has all its memory
  // looked after, when nothing waits in quick lists.
  ABSL_ATTRIBUTE_COLD void set_is_quiet(bool is_quiet);

  // Of all heaps: pages inside free blocks don't wait to be purged, and quick
  // lists hold little. For programs that may make no call for long.
  static void set_purges_at_once(bool at_once) { purges_at_once_ = at_once; }

  // Gives back what can be given back. Returns the bytes purged.
  size_t Purge() {
    size_t keep_bytes = 0;
    return PurgeTo(&keep_bytes);
  }
  // But for about `*keep_bytes` of what is free, which are taken off.
  ABSL_ATTRIBUTE_COLD size_t PurgeTo(size_t* keep_bytes);

  // Forgets all blocks and gives the regions back, single slices to the
  // caller's `cache` if it has one. With `poisons` every touch of them faults.
  ABSL_ATTRIBUTE_COLD void DropAll(SliceCache* cache, bool poisons = false);

  // False if a tag, a list or a region is broken: `*broken` says which.
  // `*live_bytes` and `*live_blocks` grow by what is live.
  ABSL_ATTRIBUTE_COLD bool Check(size_t* live_bytes, size_t* live_blocks,
                                 BrokenInvariant* broken) const;

  size_t region_bytes() const { return region_bytes_; }
  size_t free_bytes() const {
    return bins_.free_bytes() + quick_bytes() + unopened_bytes_;
  }
  size_t quick_bytes() const { return quick_ == nullptr ? 0 : quick_->bytes(); }
  // Of its seals.
  uint64_t key() const { return bins_.key(); }
  // Usable bytes of its live blocks, of which there are `blocks`.
  size_t LiveBytes(size_t blocks) const {
    return region_bytes_ - num_regions_ * BinManager::kRegionOverhead -
           free_bytes() - blocks * Block::kTagBytes;
  }

  // What others may look at without a lock, at any time.
  uint64_t PeekSealKey() const { return bins_.PeekKey(); }
  size_t PeekRegionBytes() const { return Peek(region_bytes_); }
  size_t PeekFreeBytes() const {
    return bins_.PeekFreeBytes() + PeekQuickBytes() + Peek(unopened_bytes_);
  }
  size_t PeekQuickBytes() const {
    return quick_ == nullptr ? 0 : quick_->PeekBytes();
  }
  // As LiveBytes.
  ABSL_ATTRIBUTE_COLD size_t PeekLiveBytes(size_t blocks) const;

  // What is wrong with freeing `ptr`, where no block is live.
  ABSL_ATTRIBUTE_COLD const char* WhyNotLive(const Slice* region,
                                             void* ptr) const;
  [[noreturn]] void ReportBadBlock(const Slice* region, void* ptr) const;
  // The same of a free, after which the program can go on, unless a header was
  // overwritten.
  ABSL_ATTRIBUTE_COLD void ReportBadFree(const Slice* region, void* ptr) const;

 private:
  ABSL_ATTRIBUTE_COLD void NoteFlush();
  const char* WhyBad(const Slice* region, void** ptr) const;
  static bool HasAddress(const void* heap, const void* address);
  ABSL_ATTRIBUTE_COLD Growth ExpectedGrowth(size_t block_bytes) const;
  ABSL_ATTRIBUTE_COLD Slice* TakeRun(size_t slices, bool is_least,
                                     Growth growth, Status* status);
  ABSL_ATTRIBUTE_COLD Status AddRegion(size_t block_bytes);
  ABSL_ATTRIBUTE_COLD void OpenMore(size_t block_bytes);
  ABSL_ATTRIBUTE_COLD bool IsBeforeUnopened(Block* block) const;
  ABSL_ATTRIBUTE_COLD void FreeRegion(Slice* run);
  void RegionIsFree(Block* whole);
  ABSL_ATTRIBUTE_COLD size_t PurgeRegion(Slice* run, bool at_once,
                                         size_t* keep_bytes, size_t* purged);

  ChargedRuns runs_;
  HugeMappings& huge_;
  uint64_t (*const seed_)();
  void* const owner_;
  QuickLists* const quick_;
  // Up to so much in quick lists, regions are added rather than coalescing it.
  size_t kept_bytes_ = 0;
  // Since that was looked at: flushes, blocks coalesced by them, and how many
  // had been served before.
  uint8_t flushes_ = 0;
  uint64_t flushed_blocks_ = 0;
  uint64_t requests_before_ = 0;
  const RunKind kind_;
  bool flushed_since_decay_ = false;
  bool keeps_key_ = false;
  bool is_quiet_ = false;
  ABSL_ATTRIBUTE_COLD void PurgeWhileFreeing(size_t bytes);

  inline static bool purges_at_once_ = false;
  Slice* regions_ = nullptr;
  Slice* idle_region_ = nullptr;  // PurgeIdle goes on here
  Block* spare_region_ = nullptr;
  size_t num_regions_ = 0;
  size_t region_bytes_ = 0;
  // Of the one region that is not wholly open.
  char* unopened_ = nullptr;
  size_t unopened_bytes_ = 0;
  uint64_t flush_ms_ = 0;
  size_t freed_bytes_ = 0;  // since PurgeWhileFreeing purged last
  BinManager bins_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_BLOCK_HEAP_H_
