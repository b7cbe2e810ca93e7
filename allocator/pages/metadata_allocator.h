// Memory for the allocator's own structures: handed out from chunks, never
// given back. Users recycle what they take, so an address once used for one
// type stays that type for ever. Thread-safe.
#ifndef MYONLY_ALLOCATOR_PAGES_METADATA_ALLOCATOR_H_
#define MYONLY_ALLOCATOR_PAGES_METADATA_ALLOCATOR_H_

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "allocator/base/mutex.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

class MetadataAllocator {
 public:
  constexpr explicit MetadataAllocator(PageSource& pages) : pages_(pages) {}

  // Zeroed memory aligned to `alignment` (64, a cache line, up to a page), or
  // NULL. `bytes` is at most kChunkBytes.
  void* Allocate(size_t bytes, size_t alignment = 64);

  size_t reserved_bytes();

  static constexpr size_t kChunkBytes = 64 * 1024;

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  PageSource& pages_;
  Mutex mutex_{LockRank::kMetadata};
  char* next_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t left_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t reserved_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_METADATA_ALLOCATOR_H_
