// Single slices that a thread keeps for the next slab or small region of any
// of its shares, the last one first: no lock, no tree, and pages that are warm.
// They are charged to no arena.
//
// Externally synchronised: one thread's own.
#ifndef MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_
#define MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_

#include <cstddef>
#include <cstdint>

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

class SliceCache {
 public:
  static constexpr size_t kMaxSlices = 64;

  // A run of one slice, or NULL.
  Slice* Take(RunKind kind, void* owner) {
    Slice* run = first_;
    if (run == nullptr) return nullptr;
    first_ = run->next;
    --count_;
    least_ = Min(least_, count_);
    run->owner = owner;
    run->kind.Publish(kind);
    run->previous = run->next = nullptr;
    return run;
  }

  // False: it is full.
  bool Put(Slice* run) {
    if (count_ == kMaxSlices) return false;
    run->kind = RunKind::kBusy;
    run->next = first_;
    first_ = run;
    ++count_;
    return true;
  }

  // Gives all back.
  void Release(RunPool& pool) { ReleaseSome(pool, count_); }

  // Gives back what was not wanted since this was done last; `now_ms` is
  // CoarseMs().
  void Decay(RunPool& pool, uint64_t now_ms) {
    if (now_ms - decay_ms_ < kDecayMs) return;
    decay_ms_ = now_ms;
    ReleaseSome(pool, least_);
    least_ = count_;
  }

  size_t bytes() const { return count_ * kSliceSize; }

 private:
  static constexpr uint64_t kDecayMs = 500;

  void ReleaseSome(RunPool& pool, size_t slices) {
    for (; slices != 0; --slices) {
      Slice* run = first_;
      first_ = run->next;
      --count_;
      pool.Free(run);
    }
    least_ = Min(least_, count_);
  }

  Slice* first_ = nullptr;
  size_t count_ = 0;
  size_t least_ = 0;  // of `count_` since the last decay
  uint64_t decay_ms_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_SLICE_CACHE_H_
