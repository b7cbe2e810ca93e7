#include "allocator/large/slice_cache.h"

namespace myonly::internal {
namespace {

void ReleaseSome(RunPool& pool, Slice* run, size_t slices) {
  for (; run != nullptr && slices != 0; --slices) {
    Slice* next = run->next;
    pool.Free(run);
    run = next;
  }
}

}  // namespace

void SliceCache::Release(RunPool& pool) {
  ReleaseSome(pool, first_.exchange(nullptr, std::memory_order_acquire),
              kMaxSlices);
  ReleaseSome(pool, kept_.exchange(nullptr, std::memory_order_acquire),
              kMaxSlices);
}

void SliceCache::Decay(RunPool& pool, uint64_t now_ms) {
  if (now_ms - decay_ms() < kDecayMs) return;
  decay_ms_.store(now_ms, std::memory_order_relaxed);
  if (is_kept_long_) ReleaseSome(pool, TakeKept(), kMaxSlices);
  is_kept_long_ = kept_for_ != 0;
  Slice* all = TakeAll();
  if (all == nullptr) count_ = 0;
  const size_t spare = Min(least_, count_);
  Slice* kept = all;
  for (size_t i = 0; i < spare; ++i) kept = kept->next;
  Leave(kept);
  ReleaseSome(pool, all, spare);
  least_ = count_ -= spare;
}

}  // namespace myonly::internal
