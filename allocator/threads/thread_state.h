// What one thread owns of the process's heap: its shares of arenas, the default
// arena's first of all, and what it has freed of others and not posted yet.
//
// Made in zeroed memory, page by page: of its three pages a thread that makes
// few requests touches two.
//
// Never unmapped: a dead thread's state is adopted whole by a later one, with
// its slabs and its token, so that no descriptor is rewritten. Its address is
// its token.
//
// Only its thread calls these.
#ifndef MYONLY_ALLOCATOR_THREADS_THREAD_STATE_H_
#define MYONLY_ALLOCATOR_THREADS_THREAD_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/fault_plan.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/base/zeroed_memory.h"
#include "allocator/guard/quarantine.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/slab.h"
#include "allocator/threads/remote_free_batch.h"

namespace myonly::internal {

// What stands between a thread's requests and the heap: sections in which it
// must not allocate, one inside the other, and a plan of requests that fail.
struct ThreadGate {
  static constexpr uint32_t kMostSections = 64;

  uint32_t sections = 0;
  uint64_t aborts = 0;  // a bit for each section, the innermost one's lowest
  FaultPlan faults;
};

// What it has more in the secure preset.
template <bool kIsOn>
struct SecureParts {};
template <>
struct SecureParts<true> {
  // What its thread has freed and nobody may have yet.
  Quarantine quarantine;
};

class alignas(kPageSize) ThreadState {
 public:
  ThreadState(Arena& arena, RunPool& runs, HugeMappings& huge,
              uint64_t (*seed)())
      : runs_(runs),
        heap_(arena, runs, huge, seed,
              reinterpret_cast<uintptr_t>(this) | kTokenByte, &slices_),
        batch_(InZeroedMemory()) {}
  ThreadState(const ThreadState&) = delete;
  ThreadState& operator=(const ThreadState&) = delete;

  SubHeap& heap() { return heap_; }
  // 1 for the first one that was made, and so on.
  uint64_t id() const { return id_; }
  uintptr_t token() const { return heap_.token(); }
  static const ThreadState* OfToken(uintptr_t token) {
    return reinterpret_cast<const ThreadState*>(token - kTokenByte);
  }

  // A thread takes it, with the lists of objects in `lists`; and gives it up.
  void Attach(Object** lists) { heap_.LendLists(lists); }
  void Detach() {
    PostBatch();
    heap_.TakeListsBack();
    heap_.Publish();
  }

  // An object of this thread's slabs, or NULL: Allocate looks further.
  void* AllocateBack(size_t size_class) {
    return ABSL_PREDICT_TRUE(batch_.empty()) ? heap_.AllocateBack(size_class)
                                             : nullptr;
  }
  // The same with a block from a quick list that fits well enough.
  void* AllocateBlockBack(size_t size) {
    return ABSL_PREDICT_TRUE(batch_.empty()) ? heap_.AllocateBlockBack(size)
                                             : nullptr;
  }
  // The same of its share of an arena, which may get a slab more.
  void* AllocateOrGrow(SubHeap& share, size_t size_class) {
    return ABSL_PREDICT_TRUE(batch_.empty()) ? share.AllocateOrGrow(size_class)
                                             : nullptr;
  }

  // Whether something of others' waits here, which slow paths hand on.
  bool HasToPost() const { return !batch_.empty(); }

  // The slow path of allocating, from one of its shares: what has been freed
  // of others goes home first.
  void* Allocate(SubHeap& share, size_t size, size_t alignment,
                 Status* status) {
    PostBatch();
    return share.Allocate(size, alignment, status);
  }

  // Frees an object of another thread's slab, for which something waits
  // already. False, and nothing done: use FreeRemote.
  bool FreeRemoteQuick(Slice* slab, void* ptr, uintptr_t token_at) {
    return batch_.AddQuick(slab, ptr, token_at);
  }
  // Frees an object of another thread's slab, which is marked.
  void FreeRemote(Slice* slab, void* object) {
    batch_.Add(slab, object, SubHeap::Post);
  }

  // Gives back what can be given back; returns the bytes purged inside blocks.
  size_t Purge() {
    PostBatch();
    const size_t purged = heap_.Purge();
    slices_.Release(runs_);
    return purged;
  }
  // A bounded part of that; true: there is more.
  bool PurgeStep() {
    slices_.Release(runs_);
    return heap_.PurgeStep();
  }
  // Of an orphan: SubHeap::Reclaim.
  bool Reclaim() {
    if (!heap_.Reclaim()) return false;
    slices_.Release(runs_);
    return true;
  }
  SliceCache* slices() { return &slices_; }

  // --- Shares of arenas of the program, by the arena's slot. ---

  // The share of an arena in this slot, open or not; NULL: there is none yet.
  SubHeap* ShareIn(size_t slot) const {
    if (shares_ == nullptr) return nullptr;
    SubHeap** page = shares_[slot / kSharesPerPage];
    return page == nullptr ? nullptr : page[slot % kSharesPerPage];
  }
  // Where that is kept; NULL: no memory for it.
  SubHeap** PlaceFor(size_t slot, MetadataAllocator& metadata);

  // One more request to an arena that it has no share of, reset so many times.
  // True: since then there have been so many that it should have one.
  bool NoteRequest(uintptr_t arena_handle, uint32_t resets);

  void FreezeShares();
  // What its shares were asked for is given back.
  ABSL_ATTRIBUTE_COLD void ReleaseAsked();

  ThreadGate& gate() { return gate_; }

  SecureParts<kIsSecure>& secure() { return secure_; }

 private:
  friend class ThreadRegistry;

  // The registry's, under its lock but for reading.
  enum class Phase : uint8_t {
    kLive,    // a thread has it
    kOrphan,  // waits for one
    kFrozen,  // its thread was lost in a fork, perhaps in the midst of a call
  };

  // Requests of a thread that an arena serves from what its threads have in
  // common before the thread gets a share.
  // The lowest byte of all tokens, which free() looks at first: one that few
  // blocks begin with, as it is no address's, no small number's and in no text.
  static constexpr uintptr_t kTokenByte = 0xf5;

  static constexpr uint32_t kRequestsBeforeShare = 256;
  // Arenas that are told apart while they get there. Where more take turns none
  // would: of their requests one in so many opens a share of its arena.
  static constexpr size_t kNewArenas = 16;
  struct NewArena {
    uintptr_t handle;
    uint32_t resets;
    uint32_t requests;
  };

  static constexpr size_t kMaxSlots = size_t{1} << 20;
  static constexpr size_t kSharesPerPage = kPageSize / sizeof(void*);
  static constexpr size_t kSharePages = kMaxSlots / kSharesPerPage;

  // Calls visit(SubHeap*) for each of its shares but the default arena's.
  template <typename Visit>
  void VisitShares(Visit visit) const {
    if (shares_ == nullptr) return;
    for (size_t i = 0; i < kSharePages; ++i) {
      if (shares_[i] == nullptr) continue;
      for (size_t j = 0; j < kSharesPerPage; ++j) {
        if (shares_[i][j] != nullptr) visit(shares_[i][j]);
      }
    }
  }

  void PostBatch() { batch_.PostAll(SubHeap::Post); }

  std::atomic<Phase> phase_{Phase::kLive};
  ThreadState* next_ = nullptr;         // of all
  ThreadState* next_orphan_ = nullptr;  // of orphans
  uint64_t orphan_since_ms_ = 0;
  uint64_t id_ = 0;
  bool is_trimmed_ = false;
  SecureParts<kIsSecure> secure_;
  RunPool& runs_;
  SliceCache slices_;
  SubHeap heap_;
  RemoteFreeBatch batch_;
  SubHeap*** shares_ = nullptr;  // kSharePages pages of kSharesPerPage
  ThreadGate gate_;
  NewArena new_arenas_[kNewArenas] = {};
  uint32_t asks_seen_ = 0;  // of the registry's
  uint32_t turns_ = 0;      // requests of arenas that displaced another one
};
static_assert(sizeof(ThreadState) >= size_t{1} << Slab::kPositionBits,
              "a bad address in another thread's slab must not give our token");

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_THREAD_STATE_H_
