// Freeing by who says what it was allocated with.

#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/blocks/block.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {
namespace {

// One that every block has; or none.
bool IsSmallAlignment(size_t alignment) {
  return alignment <= kMinAlignment && (alignment & (alignment - 1)) == 0;
}

// What stays when realloc makes it smaller, and what is more than asked for.
bool IsPlausible(const void* ptr, size_t size, size_t alignment,
                 size_t usable) {
  if (ProcessHeap::IsGoodFit(size, usable)) return true;
  if (size > usable) return false;
  // Its alignment has made it a run, of which only the pages are known.
  if (AlignUp(size, kPageSize) == usable) return true;
  if (process_globals.has_oversized.load(std::memory_order_relaxed))
    return true;
  if (alignment == 0 && usable <= kMaxSlabRequest) {
    // Rounded up to what it may have been aligned to, the lowest bit of both.
    const size_t bits = reinterpret_cast<uintptr_t>(ptr) | usable;
    return usable - size < (bits & (~bits + 1));
  }
  // Rounded up to the alignment, or to pages.
  return alignment > kMinAlignment &&
         usable <= Max(2 * AlignUp(size, alignment), kPageSize);
}

// `exact`: an object of a slab has the very class of the size.
ABSL_ATTRIBUTE_COLD void CheckSize(const void* ptr, size_t size,
                                   size_t alignment, bool exact) {
  // What is wrong with the address itself, this or Free reports.
  const size_t usable = ProcessHeap::UsableSize(ptr);
  if (ABSL_PREDICT_FALSE(usable == 0 && size == 0)) return;
  size = Max(size, 1);
  ProcessHeap::CheckAlignment(ptr, alignment);
  const Slice* slice;
  const bool is_object =
      process_globals.runs.FindFirst(ptr, const_cast<Slice**>(&slice)) &&
      slice->key != Slice::kNoSlab;
  if (ABSL_PREDICT_FALSE(
          exact && is_object
              ? AlignUp(AlignUp(size, alignment), kMinAlignment) != usable
              : !IsPlausible(ptr, size, alignment, usable))) {
    ReportMisuse("free with a wrong size", ptr);
  }
}

// What a bad address may be taken for is free's to tell.
bool FitsBlock(void* ptr, size_t size) {
  return ProcessHeap::IsGoodFit(
      size, Block::SizeIn(Block::LoadAnywhere(Block::FromPayload(ptr))) -
                Block::kTagBytes);
}

// Whether `ptr` looks like what was allocated with that size, > 0: an object, a
// block of a thread's share, or a large one; Free looks at the rest. False:
// look closer.
bool FitsQuick(void* ptr, size_t size, bool exact) {
  Slice* slice;
  if (!process_globals.runs.FindFirst(ptr, &slice)) return false;
  if (slice->key != Slice::kNoSlab) {
    const size_t size_class = slice->slab.size_class;
    return size_class == SizeClassFor(size) ||
           (!exact && ProcessHeap::IsGoodFit(size, ObjectBytes(size_class)));
  }
  if (slice->kind == RunKind::kSubHeapRegion) return FitsBlock(ptr, size);
  if (slice->kind != RunKind::kLarge) return false;
  const Slice* run = process_globals.runs.FindRun(slice);
  return run != nullptr &&
         AlignUp(size, kPageSize) == run->large.usable_pages * kPageSize;
}

}  // namespace

void ProcessHeap::FreeSized(void* ptr, size_t size, size_t alignment) {
  Slice* slice;
  // Most are objects that were not resized.
  if (ABSL_PREDICT_TRUE(process_globals.runs.FindFirst(ptr, &slice) &&
                        slice->key != Slice::kNoSlab &&
                        slice->slab.size_class == SizeClassFor(size) &&
                        IsSmallAlignment(alignment))) {
    return Free(ptr);
  }
  if (kChecksObjects && ptr != nullptr &&
      (!IsSmallAlignment(alignment) || size == 0 ||
       !FitsQuick(ptr, size, /*exact=*/false))) {
    CheckSize(ptr, size, alignment, /*exact=*/false);
  }
  Free(ptr);
}

void ProcessHeap::DeleteOther(void* ptr, size_t size, Slice* slice) noexcept {
  if (ABSL_PREDICT_FALSE(
          reinterpret_cast<uintptr_t>(slice->owner) != this_thread.heap ||
          !FitsBlock(ptr, size) ||
          !static_cast<SubHeap*>(slice->owner)->FreeBlockQuick(ptr))) {
    Delete(ptr, size, kMinAlignment);
  }
}

void ProcessHeap::Delete(void* ptr, size_t size, size_t alignment) noexcept {
  if (kChecksObjects && ptr != nullptr &&
      (alignment != kMinAlignment || !FitsQuick(ptr, size, /*exact=*/true))) {
    CheckSize(ptr, size, alignment, /*exact=*/true);
  }
  Free(ptr);
}

}  // namespace myonly::internal
