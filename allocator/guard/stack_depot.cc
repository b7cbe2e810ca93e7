#include "allocator/guard/stack_depot.h"

#include <cstring>

#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"

namespace myonly::internal {

StackDepot::Id StackDepot::Add(void* const* frames, size_t count) {
  if (count == 0 || count > kMaxFrames) return 0;
  uint64_t hash = count;
  for (size_t i = 0; i < count; ++i) {
    hash = MixBits(hash ^ reinterpret_cast<uintptr_t>(frames[i]));
  }
  Id* bucket = BucketOf(hash);
  if (bucket == nullptr) return 0;
  const size_t bytes = count * sizeof(void*);
  for (Id id = *bucket; id != 0; id = Get(id)->next) {
    const Stack* stack = Get(id);
    if (stack->hash == hash && stack->count == count &&
        memcmp(stack->frames, frames, bytes) == 0) {
      return id;
    }
  }
  const Id id = Place(offsetof(Stack, frames) + bytes);
  if (id == 0) return 0;
  Stack* stack = Get(id);
  stack->next = *bucket;
  stack->count = static_cast<uint32_t>(count);
  stack->hash = hash;
  memcpy(stack->frames, frames, bytes);
  *bucket = id;
  return id;
}

StackDepot::Id* StackDepot::BucketOf(uint64_t hash) {
  if (buckets_ == nullptr) {
    buckets_ = static_cast<Id*>(pages_.Reserve(kBuckets * sizeof(Id), kPageSize,
                                               PageSource::Access::kReadWrite));
    if (buckets_ == nullptr) return nullptr;
  }
  return &buckets_[hash % kBuckets];
}

// Room for so many bytes, all in one chunk. 0: there is none.
StackDepot::Id StackDepot::Place(size_t bytes) {
  const size_t units = AlignUp(bytes, kUnit) / kUnit;
  size_t at = next_;
  if (at % kUnitsPerChunk + units > kUnitsPerChunk) {
    at = AlignUp(at, kUnitsPerChunk);
  }
  if (at / kUnitsPerChunk == kMaxChunks) return 0;
  char*& chunk = chunks_[at / kUnitsPerChunk];
  if (chunk == nullptr) {
    chunk = static_cast<char*>(
        pages_.Reserve(kChunkBytes, kPageSize, PageSource::Access::kReadWrite));
    if (chunk == nullptr) return 0;
  }
  next_ = static_cast<Id>(at + units);
  return static_cast<Id>(at);
}

}  // namespace myonly::internal
