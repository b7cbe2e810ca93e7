#include "allocator/pages/metadata_allocator.h"

#include "allocator/base/check.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

void* MetadataAllocator::Allocate(size_t bytes) {
  MYONLY_CHECK(bytes <= kChunkBytes);
  const size_t size = AlignUp(bytes, 64);
  MutexLock lock(mutex_);
  if (left_ < size) {
    void* chunk =
        pages_.Reserve(kChunkBytes, kPageSize, PageSource::Access::kReadWrite);
    if (chunk == nullptr) return nullptr;
    next_ = static_cast<char*>(chunk);
    left_ = kChunkBytes;
    reserved_bytes_ += kChunkBytes;
  }
  char* memory = next_;
  next_ += size;
  left_ -= size;
  return memory;
}

size_t MetadataAllocator::reserved_bytes() {
  MutexLock lock(mutex_);
  return reserved_bytes_;
}

}  // namespace myonly::internal
