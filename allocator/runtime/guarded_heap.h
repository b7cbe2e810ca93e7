// The process's heap in the secure preset: ProcessHeap with a guard in front.
//
// malloc: ProcessHeap's, for a few bytes more -> what was free is still zero ->
//         the address becomes live -> a canary behind the payload.
// free:   the address is no longer live (it must have been) -> the canary is as
//         it was -> cleared -> quarantine of this thread -> for what leaves
//         that: still zero -> ProcessHeap's free.
// Blocks of pages (more than 64 KiB) have no canary and wait in no quarantine:
// they end at a page nobody may touch, and what is freed faults when it is
// touched (large/run_pool.h, large/huge_mapping.h). Blocks of arenas with
// memory of their own are as without a guard.
//
// What is the same for both is ProcessHeap's. Thread-safe.
#ifndef MYONLY_ALLOCATOR_RUNTIME_GUARDED_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_GUARDED_HEAP_H_

#include <cstddef>

#include "absl/base/attributes.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {

class GuardedHeap : public ProcessHeap {
 public:
  // As in ProcessHeap, but that usable bytes are those that were asked for.
  static void* Allocate(size_t size);
  // What is quick alone: nothing, and nothing is asked for twice.
  static void* AllocateQuick(size_t /*size*/) { return nullptr; }
  static void* AllocateSlow(size_t size) { return Allocate(size); }
  static void* AllocateZeroed(size_t count, size_t size);
  static void* AllocateZeroedQuick(size_t /*bytes*/) { return nullptr; }
  static void* AllocateAligned(size_t alignment, size_t size);
  static void Free(void* ptr);
  static void FreeInline(void* ptr) { Free(ptr); }
  static void FreeSized(void* ptr, size_t size, size_t alignment);
  static void DeleteInline(void* ptr, size_t size) { FreeSized(ptr, size, 1); }
  static void DeleteInline(void* ptr) { Free(ptr); }
  static void Delete(void* ptr) { Free(ptr); }
  static void Delete(void* ptr, size_t size, size_t alignment) noexcept {
    FreeSized(ptr, size, alignment);
  }
  static void* Reallocate(void* ptr, size_t size);
  static bool StaysInPlace(void* /*ptr*/, size_t /*size*/) { return false; }
  static bool TryResize(void* ptr, size_t size);
  static size_t UsableSize(const void* ptr);

  static void* AllocateInQuick(ArenaHandle, size_t) { return nullptr; }
  static void* AllocateIn(ArenaHandle handle, size_t size) {
    return AllocateInSlow(handle, size, kMinAlignment);
  }
  static void* AllocateInSlow(ArenaHandle handle, size_t size,
                              size_t alignment);
  static void* AllocateZeroedIn(ArenaHandle handle, size_t count, size_t size);
  static void* AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                 size_t size);
  static size_t AllocateBatch(ArenaHandle handle, size_t size, void** out,
                              size_t count);
  static void FreeBatch(void** ptrs, size_t count);

  // Of a block that is about to be freed: reports it if it was not asked for
  // with this size. Other addresses are left to Free.
  static void CheckSize(const void* ptr, size_t size);

  // At the end of the process: dies if something was written to what this
  // thread has in quarantine.
  ABSL_ATTRIBUTE_COLD static void CheckQuarantine();

  // What this thread has in quarantine is freed.
  ABSL_ATTRIBUTE_COLD static void FlushQuarantine();
  ABSL_ATTRIBUTE_COLD static size_t Purge(size_t keep_bytes);

  // Whether a live block was asked for with this size and nothing was written
  // behind its end. Reports nothing.
  ABSL_ATTRIBUTE_COLD static bool IsIntact(const void* ptr, size_t size);

  // For what walks and questions tell: false if the block is not live. Its size
  // becomes that of the payload.
  ABSL_ATTRIBUTE_COLD static bool Correct(BlockInfo* block);
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_GUARDED_HEAP_H_
