// All thread states. A thread takes one when it starts to allocate in earnest,
// the youngest orphan if there is one, and leaves it as an orphan when it ends:
// both are O(1).
//
// Orphans don't keep memory for ever: what their slabs and regions can spare
// goes back with time, one orphan at a time, on other threads' slow paths.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_THREADS_THREAD_REGISTRY_H_
#define MYONLY_ALLOCATOR_THREADS_THREAD_REGISTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_options.h"
#include "allocator/base/invariant.h"
#include "allocator/base/mutex.h"
#include "allocator/base/peek.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/threads/thread_state.h"

namespace myonly::internal {

class ThreadRegistry {
 public:
  // The states' sub-heaps are of `arena`.
  constexpr ThreadRegistry(MetadataAllocator& metadata, RunPool& runs,
                           HugeMappings& huge, Arena& arena, uint64_t (*seed)())
      : metadata_(metadata),
        runs_(runs),
        huge_(huge),
        arena_(arena),
        seed_(seed) {}

  // A state for the calling thread, its lists in `lists`; NULL: no memory.
  ThreadState* Acquire(Object** lists);

  // The calling thread gives its state up.
  void Release(ThreadState* state);

  // Opens a share of `arena` for the calling thread, whose state this is: the
  // one it has had in this slot, or a new one. NULL: no memory, or the arena is
  // closed.
  SubHeap* OpenShare(ThreadState* state, size_t slot, Arena& arena);

  // Whether the state with this token waits for a thread; under the lock.
  static bool IsOrphan(uintptr_t token) {
    return ThreadState::OfToken(token)->phase_.load(
               std::memory_order_relaxed) == ThreadState::Phase::kOrphan;
  }
  // With it no orphan finds a thread.
  Mutex& mutex() { return mutex_; }

  // Adds what all states but `own` (the caller's, or NULL) have.
  void AddStats(const ThreadState* own, ArenaStats* stats);

  // Calls visit(const SubHeap&) for the share of the default arena of each
  // state. Takes no lock.
  template <typename Visit>
  void VisitHeaps(Visit visit) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (const ThreadState* state = Peek(states_); state != nullptr;
         state = Peek(state->next_)) {
      visit(state->heap_);
    }
  }

  // The same of all, from a signal handler at any time: SubHeap::PeekStats.
  void PeekStats(ArenaStats* stats) const;
  // Of the thread that has or had the state with this token; 0 has none.
  static uint64_t IdOf(uintptr_t token) {
    return token == 0 ? 0 : ThreadState::OfToken(token)->id();
  }

  // Gives back what orphans can spare; the threads of other states but `own`
  // are asked to. With `pages` those inside of orphans' blocks are purged;
  // returns their bytes.
  size_t PurgeOthers(const ThreadState* own, bool pages);
  // Gives back the slices that threads keep for later, whoever they are; and
  // those that threads keep which have made no calls for a while. `now_ms` is
  // CoarseMs().
  ABSL_ATTRIBUTE_COLD void ReleaseSlices();
  void ReleaseIdleSlices(uint64_t now_ms);
  // Shares of arenas were asked for what they can spare: their threads shall
  // look. Whether the thread with this state has yet to.
  void NoteAsk() { asks_.fetch_add(1, std::memory_order_relaxed); }
  bool IsAsked(ThreadState* state) const {
    const uint32_t asks = asks_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_TRUE(asks == state->asks_seen_)) return false;
    state->asks_seen_ = asks;
    return true;
  }
  // The same step by step, for orphans that have waited for a second. True:
  // there is more. `now_ms` is CoarseMs().
  bool PurgeOldOrphan(uint64_t now_ms);

  // For a thread whose share has grown: what has come home to an orphan, which
  // may have it for long, is there for the next one that grows.
  void ReclaimFromOrphan() {
    if (ABSL_PREDICT_TRUE(num_orphans_.load(std::memory_order_relaxed) == 0)) {
      return;
    }
    ReclaimFromFirst();
  }

  // False if an orphan is broken; nobody may look into what is live.
  bool CheckOrphans(BrokenInvariant* broken);

  // In the child of a fork: the states of all threads but `own` stay as they
  // are for ever.
  void FreezeOthers(const ThreadState* own) ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  ABSL_ATTRIBUTE_COLD void ReclaimFromFirst();

  MetadataAllocator& metadata_;
  RunPool& runs_;
  HugeMappings& huge_;
  Arena& arena_;
  uint64_t (*const seed_)();
  Mutex mutex_{LockRank::kThreadRegistry};
  ThreadState* states_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // The youngest first.
  ThreadState* orphans_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::atomic<size_t> num_orphans_{0};  // changed under the lock
  // There may be orphans that have not been purged.
  std::atomic<bool> has_untrimmed_{false};
  static constexpr uint64_t kOldMs = 1000;
  std::atomic<uint32_t> asks_{0};
  // Where the next look at idle threads begins, and when the last one was.
  ThreadState* look_at_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::atomic<uint64_t> looked_ms_{0};
  static constexpr uint64_t kLookMs = 100;
  static constexpr size_t kStatesPerLook = 64;
  // Of the orphans so many are looked at when a thread grows.
  static constexpr size_t kMostLookedAt = 8;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_THREAD_REGISTRY_H_
