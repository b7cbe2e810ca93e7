#include "allocator/pages/metadata_allocator.h"

#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

void* MetadataAllocator::Allocate(size_t bytes, size_t alignment) {
  MYONLY_CHECK(bytes <= kChunkBytes);
  const size_t size = AlignUp(bytes, 64);
  MutexLock lock(mutex_);
  // Chunks begin with a page.
  size_t gap = -reinterpret_cast<uintptr_t>(next_) & (alignment - 1);
  if (left_ < gap + size) {
    void* chunk =
        pages_.Reserve(kChunkBytes, kPageSize, PageSource::Access::kReadWrite);
    if (chunk == nullptr) return nullptr;
    next_ = static_cast<char*>(chunk);
    left_ = kChunkBytes;
    gap = 0;
    reserved_bytes_ += kChunkBytes;
  }
  char* memory = next_ + gap;
  next_ += gap + size;
  left_ -= gap + size;
  return memory;
}

size_t MetadataAllocator::reserved_bytes() {
  MutexLock lock(mutex_);
  return reserved_bytes_;
}

}  // namespace myonly::internal
