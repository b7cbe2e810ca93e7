#include "allocator/guard/zero_size_blocks.h"

namespace myonly::internal {

void* ZeroSizeBlocks::Allocate() {
  // Where so many in turn are live, few are free.
  constexpr size_t kMostTries = 64;
  if (!is_on_.load(std::memory_order_relaxed)) return nullptr;
  const uintptr_t reserved = base();
  const uintptr_t start = reserved == kNowhere ? Reserve() : reserved;
  if (start == kNowhere) return nullptr;
  for (size_t tries = 0; tries < kMostTries; ++tries) {
    const size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    void* ptr =
        reinterpret_cast<void*>(start + index % kMostBlocks * kMinAlignment);
    if (!LiveAt(start).MarkLive(ptr, /*is_alone=*/false)) continue;
    allocations_.fetch_add(1, std::memory_order_relaxed);
    return ptr;
  }
  return nullptr;
}

uintptr_t ZeroSizeBlocks::Reserve() {
  constexpr size_t kAll = kMapOffset + kMapBytes;
  char* memory = static_cast<char*>(
      pages_.Reserve(kAll, kPageSize, PageSource::Access::kNone));
  if (memory == nullptr) return kNowhere;
  const auto start = reinterpret_cast<uintptr_t>(memory);
  uintptr_t before = kNowhere;
  if (pages_.Commit(memory + kMapOffset, kMapBytes) &&
      base_.compare_exchange_strong(before, start, std::memory_order_acq_rel)) {
    return start;
  }
  pages_.Release(memory, kAll);
  return before;  // another thread's, if that was faster
}

void* ZeroSizeBlocks::NextLive(size_t* index) const {
  const uintptr_t start = base();
  if (start == kNowhere) return nullptr;
  for (; *index < kMostBlocks; ++*index) {
    void* ptr = reinterpret_cast<void*>(start + *index * kMinAlignment);
    if (LiveAt(start).IsLive(ptr)) return ptr;
  }
  return nullptr;
}

}  // namespace myonly::internal
