// Arenas and their handles. A handle is a slot and the slot's generation, so
// that the handle of a destroyed arena is recognised for ever after:
//
//   63               24 23          4 3    0
//   [ generation : 40  ][ slot : 20  ][ 0  ]      slot 0 is never used
//
// Arena objects are recycled, never unmapped. Thread-safe; Find takes no lock.
#ifndef MYONLY_ALLOCATOR_ARENA_ARENA_REGISTRY_H_
#define MYONLY_ALLOCATOR_ARENA_ARENA_REGISTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "allocator/arena/arena.h"
#include "allocator/base/mutex.h"
#include "allocator/base/status.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

using ArenaHandle = uintptr_t;

class ArenaRegistry {
 public:
  constexpr ArenaRegistry(PageSource& pages, MetadataAllocator& metadata,
                          RunPool& runs, HugeMappings& huge, uint64_t (*seed)())
      : pages_(pages),
        metadata_(metadata),
        runs_(runs),
        huge_(huge),
        seed_(seed) {}

  static constexpr size_t kMaxArenas = (size_t{1} << 20) - 1;

  // Which slot the handle is of, if it is one.
  static constexpr size_t SlotOf(ArenaHandle handle) {
    return (handle >> 4) & kMaxArenas;
  }

  Status Create(const ArenaOptions& options, ArenaHandle* out) {
    return CreateWith(options, nullptr, out);
  }
  // The same for an arena object that the caller has made, and keeps until the
  // arena is destroyed.
  Status CreateOwn(const ArenaOptions& options, Arena& arena,
                   ArenaHandle* out) {
    return CreateWith(options, &arena, out);
  }

  // NULL: `*status` tells whether the handle is stale or never was one.
  Arena* Find(ArenaHandle handle, Status* status) const;

  // Sets a limit of an arena that is not destroyed meanwhile, nor another's by
  // then.
  ABSL_ATTRIBUTE_COLD Status SetLimit(ArenaHandle handle,
                                      void (Quota::*set)(size_t), size_t bytes);

  // kBusy and nothing done if `require_empty` and a block is live, if it is
  // the parent of others, or if a callback of it is running. Single slices go
  // into the caller's `cache` if it has one. Waits for visitors.
  ABSL_ATTRIBUTE_COLD Status Destroy(ArenaHandle handle, bool require_empty,
                                     SliceCache* cache = nullptr);

  // Gives the large run that has `slice`, or else a mapping, to another arena;
  // `ptr` is its live block, which the caller owns.
  ABSL_ATTRIBUTE_COLD Status MoveTo(ArenaHandle to, const Slice* slice,
                                    HugeMapping* mapping, const void* ptr);

  // The live arena in the first slot behind `*slot`, which becomes its slot;
  // NULL: there is none. Until EndVisit it is not destroyed. Its page functions
  // may call for other arenas: it is not used under this registry's lock.
  ABSL_ATTRIBUTE_COLD Arena* BeginVisit(size_t* slot);
  ABSL_ATTRIBUTE_COLD void EndVisit(Arena* arena);

  // Calls visit(Arena&) for each live arena, in the order of slots, while the
  // caller holds mutex_for_fork().
  template <typename Visit>
  void VisitAllLocked(Visit visit) {
    size_t slot = 0;
    while (Arena* arena = NextLocked(&slot)) visit(*arena);
  }

  // The live arena in the first slot behind `*slot`, which becomes its slot;
  // NULL: there is none. While the caller holds mutex_for_fork(): with it none
  // is destroyed.
  Arena* NextLocked(size_t* slot) const;

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  struct Slot {
    std::atomic<Arena*> arena;
    Arena* recycled;  // constant once set: slots keep their arena object
    std::atomic<uint64_t> generation;
    std::atomic<bool> live;
    uint32_t next_free;
  };

  static ArenaHandle Pack(size_t slot, uint64_t generation) {
    return (generation << 24) | (slot << 4);
  }

  ABSL_ATTRIBUTE_COLD bool Prepare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD Status CreateWith(const ArenaOptions& options, Arena* own,
                                        ArenaHandle* out);
  ABSL_ATTRIBUTE_COLD size_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD Status DestroyNow(ArenaHandle handle, bool require_empty,
                                        SliceCache* cache, bool* has_visitors);
  void GiveSlotBack(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD Status FindParent(ArenaHandle handle,
                                        ArenaOptions* options,
                                        Arena** parent) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool GiveExtras(Quota& quota, const ArenaOptions& options);

  PageSource& pages_;
  MetadataAllocator& metadata_;
  RunPool& runs_;
  HugeMappings& huge_;
  uint64_t (*const seed_)();
  Mutex mutex_{LockRank::kArenaRegistry};
  std::atomic<Slot*> table_{nullptr};  // kMaxArenas + 1 of them
  Slot* slots_ = nullptr;
  std::atomic<size_t> num_slots_{0};
  uint32_t free_slot_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_ARENA_REGISTRY_H_
