// Every live block of an arena, one after the other, while threads allocate and
// free; and the block at an address.
//
// In the order of slices, then of huge mappings. A batch is read with the
// arena's lock held, so that its common part, its large and its huge blocks
// stand still; threads' shares go on meanwhile and are read by SlabReader and
// BlockReader. Between batches nothing is held: the walk goes on behind the
// last address, so that no block comes twice. Slabs and regions that are given
// up meanwhile are left out: nothing in them has lived throughout.
//
// Externally synchronised; the arena may be used by everybody.
#ifndef MYONLY_ALLOCATOR_ARENA_HEAP_WALK_H_
#define MYONLY_ALLOCATOR_ARENA_HEAP_WALK_H_

#include <cstddef>
#include <cstdint>

#include "allocator/arena/arena.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

class SubHeap;

// Of whose share a run is. A run in use by nobody has neither.
struct RunOwner {
  const Arena* arena = nullptr;
  const SubHeap* share = nullptr;  // NULL: the arena's common part

  // Of the thread; 0: the common part.
  uintptr_t token() const;
  // Of the seals of its blocks.
  uint64_t seal_key() const;
  // What its descriptors name.
  const void* name() const;
};

// Whose the run is, and its kind, as they were at one moment.
RunOwner PeekOwner(const Slice* slice, RunKind* kind);

struct WalkedBlock {
  void* start;
  size_t bytes;
  uintptr_t token;  // of the thread whose share it is in; 0: of no thread's
};

class HeapWalk {
 public:
  // `handle` is the arena's, 0 for the default arena. Blocks of less than
  // `least_bytes` are left out.
  HeapWalk(Arena& arena, uintptr_t handle, size_t least_bytes);

  // Stores the next blocks, up to `room` of them; returns how many. 0: the walk
  // is over. `*status` is kStale if the arena is closed meanwhile, kCorrupt if
  // a part of a region could not be read.
  size_t Next(WalkedBlock* blocks, size_t room, Status* status);

 private:
  // The parts of Next. False: there is no room left, or enough has been looked
  // at.
  bool NextRuns();
  void NextMappings();

  // What a run has behind `behind_`. False: there is no room left.
  bool VisitRun(const Slice* run);
  bool VisitSlab(const Slice* slab, const RunOwner& owner);
  bool VisitRegion(const Slice* run, const RunOwner& owner);
  bool Add(void* start, size_t bytes, uintptr_t token);

  // Slices that are looked at while the lock is held.
  static constexpr size_t kMostSlices = 4096;

  Arena& arena_;
  const uintptr_t handle_;
  const size_t least_bytes_;
  // Memory that is taken meanwhile is not looked at: the walk has an end also
  // where each visit allocates.
  size_t ends_[RunPool::kMaxReservations];
  size_t reservation_ = 0;
  size_t slice_ = 0;
  // In the present reservation, then among the mappings: what begins before it
  // has been seen. A block that was visited may end in a slice behind that of
  // its region's first, which others have by the next look.
  char* behind_ = nullptr;
  bool runs_are_done_ = false;
  bool is_done_ = false;
  bool is_damaged_ = false;
  WalkedBlock* blocks_ = nullptr;
  size_t room_ = 0;
  size_t count_ = 0;
};

// The block that has an address.
struct FoundBlock {
  char* start;
  size_t bytes;  // usable
  bool is_live;
  const Arena* arena;
  uintptr_t token;
};

// False: no block of a run or mapping has `address`. Takes no lock: may be
// called from a signal handler. What other threads do meanwhile may be missing.
bool FindBlock(const RunPool& runs, const HugeMappings& huge,
               const void* address, FoundBlock* found);

// The arena of the run or mapping at `address`, or NULL: in the same way.
const Arena* FindArenaAt(const RunPool& runs, const HugeMappings& huge,
                         const void* address);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_HEAP_WALK_H_
