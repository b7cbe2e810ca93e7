#include "allocator/threads/thread_registry.h"

#include "allocator/base/clock.h"
#include "allocator/base/zeroed_memory.h"

namespace myonly::internal {

ThreadState* ThreadRegistry::Acquire(Object** lists) {
  ThreadState* state;
  {
    MutexLock lock(mutex_);
    state = orphans_;
    if (state != nullptr) {
      orphans_ = state->next_orphan_;
      num_orphans_.fetch_sub(1, std::memory_order_relaxed);
      state->phase_.store(ThreadState::Phase::kLive, std::memory_order_relaxed);
    } else {
      void* memory =
          metadata_.Allocate(sizeof(ThreadState), alignof(ThreadState));
      if (memory == nullptr) return nullptr;
      state =
          MakeInZeroedMemory<ThreadState>(memory, arena_, runs_, huge_, seed_);
      state->next_ = states_;
      state->id_ = states_ == nullptr ? 1 : states_->id_ + 1;
      __atomic_store_n(&states_, state, __ATOMIC_RELEASE);
    }
  }
  state->Attach(lists);
  return state;
}

void ThreadRegistry::Release(ThreadState* state) {
  state->Detach();
  MutexLock lock(mutex_);
  state->phase_.store(ThreadState::Phase::kOrphan, std::memory_order_relaxed);
  state->next_orphan_ = orphans_;
  state->orphan_since_ms_ = CoarseMs();
  state->is_trimmed_ = false;
  orphans_ = state;
  num_orphans_.fetch_add(1, std::memory_order_relaxed);
  has_untrimmed_.store(true, std::memory_order_relaxed);
}

// An odd number of alignments: what shares begin with, which each request that
// looks for one reads, would otherwise fall into few sets of the caches.
constexpr size_t kSpacedBytes = sizeof(SubHeap) | alignof(SubHeap);
static_assert(sizeof(SubHeap) % alignof(SubHeap) == 0);

SubHeap* ThreadRegistry::OpenShare(ThreadState* state, size_t slot,
                                   Arena& arena) {
  SubHeap** place = state->PlaceFor(slot, metadata_);
  if (place == nullptr) return nullptr;
  if (*place == nullptr) {
    void* memory = metadata_.Allocate(kSpacedBytes, alignof(SubHeap));
    if (memory == nullptr) return nullptr;
    *place = MakeInZeroedMemory<SubHeap>(memory, arena, runs_, huge_, seed_,
                                         state->token(), state->slices());
  }
  return arena.OpenShare(*place) ? *place : nullptr;
}

void ThreadRegistry::AddStats(const ThreadState* own, ArenaStats* stats) {
  MutexLock lock(mutex_);
  for (ThreadState* state = states_; state != nullptr; state = state->next_) {
    if (state == own) continue;
    if (state->phase_.load(std::memory_order_relaxed) ==
        ThreadState::Phase::kOrphan) {
      state->heap_.AddStats(stats);
    } else {
      state->heap_.AddPublishedStats(stats);
    }
  }
}

void ThreadRegistry::PeekStats(ArenaStats* stats) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (const ThreadState* state = Peek(states_); state != nullptr;
       state = Peek(state->next_)) {
    state->heap_.PeekStats(stats);
  }
}

size_t ThreadRegistry::PurgeOthers(const ThreadState* own, bool pages) {
  MutexLock lock(mutex_);
  size_t purged = 0;
  for (ThreadState* state = states_; state != nullptr; state = state->next_) {
    if (state == own) continue;
    if (!IsOrphan(state->token())) {
      state->heap_.AskForSpare();
    } else if (pages) {
      purged += state->heap_.Purge();
    } else {
      state->heap_.ReleaseSpare();
    }
    state->slices_.Release(runs_);
  }
  NoteAsk();
  return purged;
}

void ThreadRegistry::ReleaseSlices() {
  MutexLock lock(mutex_);
  for (ThreadState* state = states_; state != nullptr; state = state->next_) {
    state->slices_.Release(runs_);
  }
}

void ThreadRegistry::ReleaseIdleSlices(uint64_t now_ms) {
  uint64_t looked_ms = looked_ms_.load(std::memory_order_relaxed);
  if (now_ms - looked_ms < kLookMs ||
      !looked_ms_.compare_exchange_strong(looked_ms, now_ms,
                                          std::memory_order_relaxed)) {
    return;
  }
  MutexLock lock(mutex_);
  for (size_t i = 0; i < kStatesPerLook; ++i) {
    if (look_at_ == nullptr) look_at_ = states_;
    if (look_at_ == nullptr) return;
    SliceCache& slices = look_at_->slices_;
    if (now_ms - slices.decay_ms() >= kOldMs) slices.Release(runs_);
    look_at_ = look_at_->next_;
  }
}

bool ThreadRegistry::PurgeOldOrphan(uint64_t now_ms) {
  if (!has_untrimmed_.load(std::memory_order_relaxed)) return false;
  MutexLock lock(mutex_);
  bool are_young = false;
  for (ThreadState* state = orphans_; state != nullptr;
       state = state->next_orphan_) {
    if (state->is_trimmed_) continue;
    if (now_ms - state->orphan_since_ms_ < kOldMs) {
      are_young = true;
      continue;
    }
    state->is_trimmed_ = !state->PurgeStep();
    return true;
  }
  has_untrimmed_.store(are_young, std::memory_order_relaxed);
  return are_young;
}

void ThreadRegistry::ReclaimFromFirst() {
  MutexLock lock(mutex_);
  size_t looked_at = 0;
  for (ThreadState* state = orphans_;
       state != nullptr && looked_at < kMostLookedAt && !state->Reclaim();
       state = state->next_orphan_) {
    ++looked_at;
  }
}

bool ThreadRegistry::CheckOrphans(BrokenInvariant* broken) {
  MutexLock lock(mutex_);
  for (ThreadState* state = orphans_; state != nullptr;
       state = state->next_orphan_) {
    if (!state->heap_.CheckInvariants(broken)) return false;
  }
  return true;
}

void ThreadRegistry::FreezeOthers(const ThreadState* own) {
  for (ThreadState* state = states_; state != nullptr; state = state->next_) {
    if (state != own && state->phase_.load(std::memory_order_relaxed) ==
                            ThreadState::Phase::kLive) {
      state->phase_.store(ThreadState::Phase::kFrozen,
                          std::memory_order_relaxed);
      state->FreezeShares();
    }
  }
}

}  // namespace myonly::internal
