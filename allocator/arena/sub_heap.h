// One thread's share of an arena: slabs for requests up to 1 KiB, blocks up to
// 64 KiB. Nothing here takes a lock, but for pages.
//
// Allocate: a class's list of objects (the caller pops it) | slab pool; blocks:
//           bins and quick lists of its own.
// The first requests of a class, and the first blocks of all, come as blocks
// from whoever has a region already, in the end from the arena under its lock:
// what is not used is not touched.
//
// Externally synchronised: only the owning thread calls these, but for
// what is marked so.
#ifndef MYONLY_ALLOCATOR_ARENA_SUB_HEAP_H_
#define MYONLY_ALLOCATOR_ARENA_SUB_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_options.h"
#include "allocator/arena/block_heap.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/slabs/slab_pool.h"

namespace myonly::internal {

class SubHeap {
 public:
  // `token` is the owning thread's, for its slabs.
  SubHeap(Arena& arena, RunPool& runs, HugeMappings& huge, uint64_t (*seed)(),
          uintptr_t token)
      : arena_(arena),
        runs_(runs),
        token_(token),
        slabs_(runs, this, token),
        blocks_(runs, huge, seed, RunKind::kSubHeapRegion, this) {}
  SubHeap(const SubHeap&) = delete;
  SubHeap& operator=(const SubHeap&) = delete;

  // Where the lists of objects are from now on, kNumSizeClasses of them; it
  // moves them there.
  void MoveLists(Object** lists);

  // A block or object for a request of up to kMaxSlabRequest bytes whose list
  // is empty. NULL: `*status` says why.
  void* AllocateSmall(size_t size, Status* status);

  // Whether requests of `size` bytes come from slabs by now.
  bool HasSlabFor(size_t size) const {
    return requests_[SizeClassFor(size)] >= kRequestsBeforeSlab;
  }

  // A block of up to kMaxBlockRequest bytes: from a quick list, or NULL; and
  // from wherever there is one.
  void* AllocateBlockQuick(size_t size) {
    void* ptr = blocks_.AllocateQuick(size);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) ++block_allocations_;
    return ptr;
  }
  // As AllocateBlockQuick, for more than kMaxSlabRequest bytes and at most
  // BlockHeap::kMaxQuickRequest.
  void* AllocateMediumQuick(size_t size) {
    void* ptr = blocks_.AllocateMediumQuick(size);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) ++block_allocations_;
    return ptr;
  }
  void* AllocateBlock(size_t size, Status* status) {
    void* ptr = AllocateBlockQuick(size);
    return ABSL_PREDICT_TRUE(ptr != nullptr)
               ? ptr
               : AllocateBlockSlow(size, kMinAlignment, status);
  }
  void* AllocateBlockSlow(size_t size, size_t alignment, Status* status);

  // --- What its owner frees and resizes. ---

  // Frees into a quick list. False, and nothing done: use FreeBlock.
  bool FreeBlockQuick(void* ptr) {
    if (ABSL_PREDICT_FALSE(!blocks_.FreeQuick(ptr))) return false;
    ++block_frees_;
    return true;
  }
  // `region` is the descriptor of the slice at `ptr`. A bad pointer is reported
  // and aborts.
  void FreeBlock(const Slice* region, void* ptr) {
    blocks_.Free(region, ptr);
    ++block_frees_;
  }
  bool ResizeBlock(const Slice* region, void* ptr, size_t size) {
    return blocks_.Resize(region, ptr, size);
  }
  void Attend(Slice* slab) { slabs_.Attend(slab, 0); }

  // --- What others have freed. ---

  void FreeChain(Slice* slab, Object* first, Object* last, size_t count) {
    slabs_.FreeChain(slab, first, last, count);
  }

  // A block on which MarkPosted was called.
  void FreePostedBlock(const Slice* region, void* ptr) {
    blocks_.FreePosted(region, ptr);
    ++block_frees_;
  }

  // --- By any thread that owns the block. ---

  // It is about to be posted to the owner. A bad pointer is reported and
  // aborts, also if somebody else posted it before.
  void MarkPosted(const Slice* region, void* ptr) {
    blocks_.MarkPosted(region, ptr);
  }
  size_t UsableBlock(const Slice* region, void* ptr) const {
    return blocks_.UsableSize(region, ptr);
  }

  // --- The whole. ---

  // Gives back what can be given back. Returns the bytes purged inside blocks.
  size_t Purge();

  // Adds what is in here; exact, and only for the owner.
  ABSL_ATTRIBUTE_COLD void AddStats(ArenaStats* stats);
  // The same by other threads: as of the owner's last slow path, and objects
  // in its lists count as in use.
  void AddPublishedStats(ArenaStats* stats) const;
  void Publish();

  ABSL_ATTRIBUTE_COLD bool CheckInvariants(const void** where) const;

  Arena& arena() const { return arena_; }
  uintptr_t token() const { return token_; }

 private:
  // Requests of a class that are served as blocks before it gets a slab; and
  // requests for blocks before there is a region.
  static constexpr uint8_t kRequestsBeforeSlab = 8;
  static constexpr uint8_t kRequestsBeforeRegion = 8;

  void OnSlowPath();

  Arena& arena_;
  RunPool& runs_;
  const uintptr_t token_;
  Object** lists_ = nullptr;
  uint64_t block_allocations_ = 0;
  uint64_t block_frees_ = 0;
  uint64_t peak_live_bytes_ = 0;
  uint32_t slow_paths_ = 0;
  uint8_t region_requests_ = 0;
  uint8_t requests_[kNumSizeClasses] = {};
  struct Published {
    std::atomic<uint64_t> allocations{0};
    std::atomic<uint64_t> frees{0};
    std::atomic<uint64_t> live_bytes{0};
    std::atomic<uint64_t> peak_live_bytes{0};
    std::atomic<uint64_t> region_bytes{0};
    std::atomic<uint64_t> free_bytes{0};
  } published_;
  SlabPool slabs_;
  BlockHeap blocks_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_SUB_HEAP_H_
