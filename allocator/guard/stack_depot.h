// Stacks of the debug preset, each kept once: a number stands for one.
//
// Nothing is ever removed, nor does a stack move: what Get has given stays.
// Memory comes from the page source, 1 MiB at a time, up to kMaxChunks of it;
// then new stacks are number 0, the unknown one.
//
// Externally synchronised, but for Get of a number that the caller has.
#ifndef MYONLY_ALLOCATOR_GUARD_STACK_DEPOT_H_
#define MYONLY_ALLOCATOR_GUARD_STACK_DEPOT_H_

#include <cstddef>
#include <cstdint>

#include "allocator/pages/page_source.h"

namespace myonly::internal {

class StackDepot {
 public:
  using Id = uint32_t;  // 0: unknown, without frames
  static constexpr size_t kMaxFrames = 64;
  static constexpr size_t kMaxChunks = 256;
  static constexpr size_t kChunkBytes = size_t{1} << 20;

  // `sum_*`: scratch of who adds up what stacks have made; 0 at first.
  struct Stack {
    Id next;  // in the chain of its bucket
    uint32_t count;
    uint64_t hash;
    uint64_t sum_bytes;
    uint64_t sum_blocks;
    void* frames[1];  // `count` of them
  };

  constexpr explicit StackDepot(PageSource& pages) : pages_(pages) {}

  // The number of a stack of up to kMaxFrames frames. 0: none, or no memory.
  Id Add(void* const* frames, size_t count);

  // NULL for 0.
  Stack* Get(Id id) const {
    return id == 0 ? nullptr
                   : reinterpret_cast<Stack*>(chunks_[id / kUnitsPerChunk] +
                                              id % kUnitsPerChunk * kUnit);
  }

  // Calls visit(stack) for each.
  template <typename Visit>
  void VisitAll(Visit visit) const {
    for (size_t i = 0; buckets_ != nullptr && i < kBuckets; ++i) {
      for (Stack* stack = Get(buckets_[i]); stack != nullptr;
           stack = Get(stack->next)) {
        visit(stack);
      }
    }
  }

  // Calls visit(start, bytes) for each piece of memory that it has.
  template <typename Visit>
  void VisitMemory(Visit visit) const {
    if (buckets_ != nullptr) visit(buckets_, kBuckets * sizeof(Id));
    for (size_t i = 0; i < kMaxChunks && chunks_[i] != nullptr; ++i) {
      visit(chunks_[i], kChunkBytes);
    }
  }

 private:
  static constexpr size_t kUnit = 16;
  static constexpr size_t kUnitsPerChunk = kChunkBytes / kUnit;
  static constexpr size_t kBuckets = size_t{1} << 16;

  Id* BucketOf(uint64_t hash);
  Id Place(size_t bytes);

  PageSource& pages_;
  Id* buckets_ = nullptr;
  Id next_ = 1;  // the first unit that is free; unit 0 is nobody's
  char* chunks_[kMaxChunks] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_STACK_DEPOT_H_
