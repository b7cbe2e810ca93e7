// Where every byte is that an arena is charged: one sum, without gaps, while
// threads allocate and free; and which blocks keep pages from being free.
//
// The runs of the arena are looked at one after the other, by the readers of
// the walk (heap_walk.h). Its lock is held for some of them at a time, so that
// its common part, its large and its huge blocks stand still; threads' shares
// go on meanwhile. Each run adds up to its size. What is charged and was in
// none of them, because it moved meanwhile, is a part of its own.
//
// Externally synchronised; the arena may be used by everybody. Allocates
// nothing.
#ifndef MYONLY_ALLOCATOR_ARENA_EXPLAIN_H_
#define MYONLY_ALLOCATOR_ARENA_EXPLAIN_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_options.h"
#include "allocator/arena/heap_walk.h"
#include "allocator/base/status.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

// What a byte is. The names and meanings that reports show are in
// observe/explain_report.cc, in the same order.
enum Part : size_t {
  kLive,          // usable bytes of live blocks
  kRounding,      // ends of slabs and of large runs that no block has
  kHeaders,       // tags of live blocks
  kMetadata,      // both ends of regions
  kThreadLists,   // free, kept by a thread
  kRemoteQueues,  // freed by another thread than the owner, on the way to it
  kFreeObjects,   // free objects in their slabs
  kBins,          // free blocks, but for the whole pages in them
  kDirty,         // whole pages in free blocks, which may be resident
  kClean,         // the same, purged; also of slabs
  kUncut,         // never cut into blocks or objects since the run was taken
  kUnaccounted,   // on its way, or in a region with a broken tag
  kChildren,      // what the arenas below it are charged
  kNumParts,
};

struct Explanation {
  enum Kind : size_t { kSlabs, kRegions, kLargeRuns, kHugeMappings, kNumKinds };

  // Runs or mappings of one kind.
  struct Holding {
    size_t count;
    size_t bytes;
    size_t live_blocks;
    size_t live_bytes;
  };
  // A live block, and how many pages would be free if it were.
  struct PinningBlock {
    const char* start;
    size_t bytes;  // usable
    size_t pages;
    size_t wasted() const;  // what these pages have beside the block
  };
  // A slab or region that holds little.
  struct SparseRun {
    const char* start;
    size_t bytes;
    size_t object_bytes;  // 0: a region
    size_t live_blocks;
    size_t live_bytes;
    size_t wasted() const { return bytes - live_bytes; }
  };
  static constexpr size_t kMostShown = 10;

  char name[kMaxArenaName + 1];
  uintptr_t handle;
  size_t limit_bytes;
  // It counts live blocks: of the parts `live` and `children` are charged.
  bool counts_blocks;
  size_t charged_bytes;
  size_t parts[kNumParts];
  Holding holdings[kNumKinds];

  // Beside the charge: descriptors and records, also those inside of
  // given_bytes.
  size_t metadata_bytes;
  // Memory of its own; 0: it has the process's. What it holds, what is free and
  // the metadata are in it, and more that is not used yet.
  size_t given_bytes;
  size_t given_free_bytes;

  // The most wasteful first; those without a start are none.
  PinningBlock pins[kMostShown];
  SparseRun sparse[kMostShown];

  // Without the children.
  size_t held_bytes() const;
};

class HeapExplainer {
 public:
  // `handle` is the arena's, 0 for the default arena. `out` is all zero.
  HeapExplainer(Arena& arena, uintptr_t handle, Explanation* out);

  // Looks at everything but the shares that the arena has no list of. kStale:
  // it was closed meanwhile.
  Status Run();

  // What was freed for this share, of the arena, and has not come home.
  void AddPosted(const SubHeap& share);

  // After all that: makes the parts a sum.
  void Finish();

 private:
  // False: enough has been looked at.
  bool NextRuns() ABSL_EXCLUSIVE_LOCKS_REQUIRED(arena_.mutex_);
  void AddRun(const Slice* run, const RunOwner& owner, RunKind kind);
  bool IsCharged(const RunOwner& owner) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(arena_.mutex_);
  void AddSlab(const Slice* slab, const RunOwner& owner);
  void AddRegion(const Slice* run, const RunOwner& owner);
  void AddLarge(const Slice* run);
  void AddChain(const SubHeap& share, const Object* first);
  void AddMetadata();
  void AddHolding(Explanation::Kind kind, size_t bytes, size_t live_blocks,
                  size_t live_bytes);

  Arena& arena_;
  Explanation& out_;
  size_t charged_before_;
  size_t reservation_ = 0;
  size_t slice_ = 0;
  size_t num_slices_ = 0;  // that were looked at
  size_t posted_bytes_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_EXPLAIN_H_
