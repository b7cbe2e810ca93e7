// Single slices that a thread keeps for the next slab or small region of any
// of its shares, the last one first: no lock, no tree, and pages that are warm.
// They are charged to no arena.
//
// Beside them slabs that one arena wants again: as its reset left them. They
// are slices like the others to whoever finds no others.
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
    if (ABSL_PREDICT_FALSE(run == nullptr)) {
      run = TakeKept();
      count_ = kept_count_;
    }
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
    const bool has_room = count_ + num_kept() < kMaxSlices;
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
    const size_t most = kMaxSlices - num_kept();
    while (run != nullptr && count_ < most) {
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

  // Keeps `slabs`, a list, at most kMaxSlices, for `whom`, which is not 0. What
  // was kept before goes to the others; the result is what has no room.
  Slice* Keep(uintptr_t whom, Slice* slabs) {
    Slice* before = TakeKept();
    kept_count_ = 0;
    for (Slice* slab = slabs; slab != nullptr; slab = slab->next) {
      slab->kind = RunKind::kBusy;
      ++kept_count_;
    }
    kept_for_ = whom;
    is_kept_long_ = false;
    kept_.store(slabs, std::memory_order_release);
    Slice* rest = before != nullptr ? PutAll(before) : nullptr;
    Slice* all = TakeAll();
    if (all == nullptr) count_ = 0;
    for (; count_ > kMaxSlices - kept_count_; --count_) {
      Slice* next = all->next;
      all->next = rest;
      rest = all;
      all = next;
    }
    Leave(all);
    return rest;
  }

  // How many are kept for `whom`, unless others took them; and these, a list.
  // They are nobody's: who takes them writes owner and kind.
  size_t KeptFor(uintptr_t whom) const {
    return kept_for_ == whom ? kept_count_ : 0;
  }
  Slice* TakeKept() {
    if (kept_for_ == 0) return nullptr;
    kept_for_ = 0;
    return TakeAllOf(kept_);
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
    return (HasAny(first_) ? count_ * kSliceSize : 0) +
           (HasAny(kept_) ? kept_count_ * kSliceSize : 0);
  }

 private:
  static constexpr uint64_t kDecayMs = 500;

  static bool HasAny(const std::atomic<Slice*>& list) {
    return list.load(std::memory_order_relaxed) != nullptr;
  }
  static Slice* TakeAllOf(std::atomic<Slice*>& list) {
    Slice* all = list.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_FALSE(!Mutex::IsSingleThreaded())) {
      return list.exchange(nullptr, std::memory_order_acquire);
    }
    list.store(nullptr, std::memory_order_relaxed);
    return all;
  }
  // A thread that is alone leaves them where they are.
  Slice* TakeAll() {
    return ABSL_PREDICT_TRUE(Mutex::IsSingleThreaded())
               ? first_.load(std::memory_order_relaxed)
               : first_.exchange(nullptr, std::memory_order_acquire);
  }
  void Leave(Slice* all) { first_.store(all, std::memory_order_release); }
  size_t num_kept() const { return kept_for_ == 0 ? 0 : kept_count_; }

  std::atomic<Slice*> first_{nullptr};
  size_t count_ = 0;  // valid unless there is none
  size_t least_ = 0;  // of `count_` since the last decay
  std::atomic<uint64_t> decay_ms_{0};
  std::atomic<Slice*> kept_{nullptr};
  uintptr_t kept_for_ = 0;  // 0: there are none
  size_t kept_count_ = 0;
  bool is_kept_long_ = false;  // since before the last decay
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_
