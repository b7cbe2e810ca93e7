// Freeing by who says what it was allocated with.

#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/blocks/block.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {
namespace {

// What stays when realloc makes it smaller, and what is more than asked for.
bool IsPlausible(size_t size, size_t alignment, size_t usable) {
  if (ProcessHeap::IsGoodFit(size, usable)) return true;
  if (size > usable) return false;
  // Its alignment has made it a run, of which only the pages are known.
  if (AlignUp(size, kPageSize) == usable) return true;
  if (process_globals.has_oversized.load(std::memory_order_relaxed))
    return true;
  // Rounded up to the alignment, or to pages.
  return alignment > kMinAlignment &&
         usable <= Max(2 * AlignUp(size, alignment), kPageSize);
}

// `exact`: an object of a slab has the very class of the size.
void CheckSize(const void* ptr, size_t size, size_t alignment, bool exact) {
  // What is wrong with the address itself, this or Free reports.
  const size_t usable = ProcessHeap::UsableSize(ptr);
  if (ABSL_PREDICT_FALSE(usable == 0 && size == 0)) return;
  size = Max(size, 1);
  if (ABSL_PREDICT_FALSE(!IsPowerOfTwo(alignment) ||
                         reinterpret_cast<uintptr_t>(ptr) % alignment != 0)) {
    ReportMisuse("free with a wrong alignment", ptr);
  }
  const Slice* slice;
  const bool is_object =
      process_globals.runs.FindFirst(ptr, const_cast<Slice**>(&slice)) &&
      slice->key != Slice::kNoSlab;
  if (ABSL_PREDICT_FALSE(
          exact && is_object
              ? AlignUp(AlignUp(size, alignment), kMinAlignment) != usable
              : !IsPlausible(size, alignment, usable))) {
    ReportMisuse("free with a wrong size", ptr);
  }
}

// The rest of what DeleteInline has begun: objects of other threads, and blocks
// of any thread's share, of which Free looks at the rest.
bool HasSizeOfNew(void* ptr, size_t size) {
  Slice* slice;
  if (!process_globals.runs.FindFirst(ptr, &slice)) return false;
  if (slice->key != Slice::kNoSlab) {
    return slice->slab.size_class == SizeClassFor(size);
  }
  return slice->kind == RunKind::kSubHeapRegion &&
         ProcessHeap::IsGoodFit(
             size, Block::SizeIn(Block::LoadAnywhere(Block::FromPayload(ptr))) -
                       Block::kTagBytes);
}

}  // namespace

void ProcessHeap::FreeSized(void* ptr, size_t size, size_t alignment) {
  if (kChecksObjects && ptr != nullptr) {
    CheckSize(ptr, size, alignment, /*exact=*/false);
  }
  Free(ptr);
}

void ProcessHeap::Delete(void* ptr, size_t size, size_t alignment) noexcept {
  if (kChecksObjects && ptr != nullptr &&
      (alignment != kMinAlignment || !HasSizeOfNew(ptr, size))) {
    CheckSize(ptr, size, alignment, /*exact=*/true);
  }
  Free(ptr);
}

}  // namespace myonly::internal
