#include "allocator/arena/sub_heap.h"

#include "allocator/base/clock.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

constexpr uint32_t kSlowPathsPerDecay = 64;

}  // namespace

void SubHeap::MoveLists(Object** lists) {
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    lists[i] = lists_ == nullptr ? nullptr : lists_[i];
    if (lists_ != nullptr) lists_[i] = nullptr;
  }
  lists_ = lists;
}

void* SubHeap::AllocateSmall(size_t size, Status* status) {
  const size_t size_class = SizeClassFor(Max(size, 1));
  Object* list = lists_[size_class];  // a request of 0 bytes
  if (list == nullptr) {
    if (ABSL_PREDICT_FALSE(requests_[size_class] < kRequestsBeforeSlab)) {
      ++requests_[size_class];
      return AllocateBlock(size, status);
    }
    OnSlowPath();
    list = slabs_.TakeBack(size_class);
    if (list == nullptr) list = slabs_.Refill(size_class);
    // A block may still fit somewhere.
    if (ABSL_PREDICT_FALSE(list == nullptr)) return AllocateBlock(size, status);
  }
  lists_[size_class] = list->next;
  Slab::ClearMark(list);
  return list;
}

void* SubHeap::AllocateBlockSlow(size_t size, size_t alignment,
                                 Status* status) {
  void* ptr = blocks_.AllocateFree(size, alignment);
  if (ABSL_PREDICT_FALSE(ptr == nullptr)) {
    if (blocks_.region_bytes() == 0 &&
        region_requests_ < kRequestsBeforeRegion) {
      ++region_requests_;
      return arena_.AllocateAligned(size, alignment, status);
    }
    ptr = blocks_.Grow(size, alignment, SIZE_MAX, status);
    if (ptr == nullptr) return nullptr;
  }
  ++block_allocations_;
  OnSlowPath();
  return ptr;
}

void SubHeap::OnSlowPath() {
  if (++slow_paths_ % kSlowPathsPerDecay == 0) {
    const uint64_t now = CoarseMs();
    blocks_.Decay(now);
    runs_.PurgeWithTime(now);
    Publish();
  }
}

size_t SubHeap::Purge() {
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    slabs_.Return(lists_[i]);
    lists_[i] = nullptr;
  }
  slabs_.ReleaseEmpty();
  const size_t purged = blocks_.Purge();
  Publish();
  return purged;
}

void SubHeap::Publish() {
  const uint64_t blocks = block_allocations_ - block_frees_;
  const uint64_t live = slabs_.used_bytes() + blocks_.LiveBytes(blocks);
  const size_t held = slabs_.slab_bytes() + blocks_.region_bytes();
  peak_live_bytes_ = Max(peak_live_bytes_, live);
  const auto set = [](std::atomic<uint64_t>& to, uint64_t value) {
    to.store(value, std::memory_order_relaxed);
  };
  set(published_.allocations, slabs_.taken() + block_allocations_);
  set(published_.frees, slabs_.known_back() + block_frees_);
  set(published_.live_bytes, live);
  set(published_.peak_live_bytes, peak_live_bytes_);
  set(published_.region_bytes, held);
  set(published_.free_bytes,
      slabs_.slab_bytes() - slabs_.used_bytes() + blocks_.free_bytes());
}

void SubHeap::AddPublishedStats(ArenaStats* stats) const {
  const auto get = [](const std::atomic<uint64_t>& from) {
    return from.load(std::memory_order_relaxed);
  };
  const uint64_t allocations = get(published_.allocations);
  const uint64_t frees = Min(get(published_.frees), allocations);
  stats->allocations += allocations;
  stats->frees += frees;
  stats->live_blocks += allocations - frees;
  stats->live_bytes += get(published_.live_bytes);
  stats->peak_live_bytes += get(published_.peak_live_bytes);
  stats->region_bytes += get(published_.region_bytes);
  stats->free_block_bytes += get(published_.free_bytes);
}

void SubHeap::AddStats(ArenaStats* stats) {
  size_t objects = 0;
  size_t object_bytes = 0;
  slabs_.CountUsed(&objects, &object_bytes);
  size_t listed = 0;
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    for (Object* object = lists_[i]; object != nullptr; object = object->next) {
      ++listed;
      object_bytes -= ObjectBytes(i);
    }
  }
  objects -= listed;
  const uint64_t blocks = block_allocations_ - block_frees_;
  const uint64_t allocations = slabs_.taken() - listed + block_allocations_;
  const uint64_t live_bytes = object_bytes + blocks_.LiveBytes(blocks);
  peak_live_bytes_ = Max(peak_live_bytes_, live_bytes);
  stats->allocations += allocations;
  stats->frees += allocations - objects - blocks;
  stats->live_blocks += objects + blocks;
  stats->live_bytes += live_bytes;
  stats->peak_live_bytes += peak_live_bytes_;
  stats->region_bytes += slabs_.slab_bytes() + blocks_.region_bytes();
  stats->free_block_bytes +=
      slabs_.slab_bytes() - object_bytes + blocks_.free_bytes();
}

bool SubHeap::CheckInvariants(const void** where) const {
  size_t live_bytes = 0;
  size_t live_blocks = 0;
  if (!slabs_.Check(where) ||
      !blocks_.Check(&live_bytes, &live_blocks, where)) {
    return false;
  }
  *where = this;
  return live_blocks == block_allocations_ - block_frees_ &&
         live_bytes == blocks_.LiveBytes(live_blocks);
}

}  // namespace myonly::internal
