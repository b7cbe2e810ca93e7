// Single slices that a thread keeps for the next slab or small region of any
// of its shares, the last one first: no lock, no tree, and pages that are warm.
// They are charged to no arena.
//
// Externally synchronised: one thread's own; but anybody may take all of it
// away, for the run pool, when its thread doesn't want it. So its thread, too,
// takes all slices at once and puts what it leaves back: no link is read that
// another one may be freeing.
#ifndef MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_
#define MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/mutex.h"
#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

class SliceCache {
 public:
  static constexpr size_t kMaxSlices = 64;

  // A run of one slice, or NULL.
  Slice* Take(RunKind kind, void* owner) {
    Slice* run = TakeAll();
    if (run == nullptr) return nullptr;
    Leave(run->next);
    --count_;
    least_ = Min(least_, count_);
    run->owner = owner;
    run->kind.Publish(kind);
    run->previous = run->next = nullptr;
    return run;
  }

  // False: it is full.
  bool Put(Slice* run) {
    Slice* all = TakeAll();
    if (all == nullptr) count_ = 0;  // others took what there was
    const bool has_room = count_ != kMaxSlices;
    if (has_room) {
      run->kind = RunKind::kBusy;
      run->next = all;
      all = run;
      ++count_;
    }
    Leave(all);
    return has_room;
  }

  // The same for a list of them, linked by `next`: the rest that has no room.
  Slice* PutAll(Slice* run) {
    Slice* all = TakeAll();
    if (all == nullptr) count_ = 0;
    while (run != nullptr && count_ != kMaxSlices) {
      Slice* next = run->next;
      run->kind = RunKind::kBusy;
      run->next = all;
      all = run;
      run = next;
      ++count_;
    }
    Leave(all);
    return run;
  }

  // Gives all back. By any thread.
  ABSL_ATTRIBUTE_COLD void Release(RunPool& pool);

  // Gives back what was not wanted since this was done last; `now_ms` is
  // CoarseMs().
  ABSL_ATTRIBUTE_COLD void Decay(RunPool& pool, uint64_t now_ms);

  // When Decay was done last. By any thread.
  uint64_t decay_ms() const {
    return decay_ms_.load(std::memory_order_relaxed);
  }

  size_t bytes() const {
    return first_.load(std::memory_order_relaxed) == nullptr
               ? 0
               : count_ * kSliceSize;
  }

 private:
  static constexpr uint64_t kDecayMs = 500;

  // A thread that is alone leaves them where they are.
  Slice* TakeAll() {
    return ABSL_PREDICT_TRUE(Mutex::IsSingleThreaded())
               ? first_.load(std::memory_order_relaxed)
               : first_.exchange(nullptr, std::memory_order_acquire);
  }
  void Leave(Slice* all) { first_.store(all, std::memory_order_release); }

  std::atomic<Slice*> first_{nullptr};
  size_t count_ = 0;  // valid unless there is none
  size_t least_ = 0;  // of `count_` since the last decay
  std::atomic<uint64_t> decay_ms_{0};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_
