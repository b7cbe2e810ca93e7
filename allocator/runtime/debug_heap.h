// The process's heap in the debug preset: GuardedHeap with a second guard in
// front, which remembers who made and who freed each block.
//
// malloc: GuardedHeap's -> its stack is noted -> filled with kFreshByte.
// free:   noted, with the stack -> filled with kFreedByte -> a queue of the
//         process -> for what leaves that: still filled -> GuardedHeap's free.
// Both look at two of the blocks that wait, in turn.
// realloc moves each block of up to 64 KiB. What GuardedHeap reports comes
// after the stacks that are known of the address (ExplainMisuse).
//
// Larger blocks, and those of arenas of the program, wait in no queue; of them
// only the stacks are kept. Thread-safe; one lock.
#ifndef MYONLY_ALLOCATOR_RUNTIME_DEBUG_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_DEBUG_HEAP_H_

#include <cstddef>

#include "absl/base/attributes.h"
#include "allocator/options/options.h"
#include "allocator/runtime/guarded_heap.h"

namespace myonly::internal {

class DebugHeap : public GuardedHeap {
 public:
  // What fresh memory of malloc is filled with, and what has been freed. Eight
  // of either are no address.
  static constexpr unsigned char kFreshByte = 0xab;
  static constexpr unsigned char kFreedByte = 0xdf;
  // So much of a block is filled at most, from its start: pages that nobody
  // touches cost nothing.
  static constexpr size_t kMaxFill = kMaxBlockRequest;

  // As in GuardedHeap.
  static void* Allocate(size_t size);
  static void* AllocateQuick(size_t /*size*/) { return nullptr; }
  static void* AllocateSlow(size_t size) { return Allocate(size); }
  static void* AllocateZeroed(size_t count, size_t size);
  static void* AllocateAligned(size_t alignment, size_t size);
  static void Free(void* ptr);
  static void FreeInline(void* ptr) { Free(ptr); }
  static void FreeSized(void* ptr, size_t size, size_t alignment);
  // What new has made is deleted, and what malloc has made is freed.
  static void* OfNew(void* ptr);
  static void DeleteInline(void* ptr, size_t size) { Delete(ptr, size, 1); }
  static void DeleteInline(void* ptr) { Delete(ptr); }
  static void Delete(void* ptr, size_t size, size_t alignment) noexcept;
  static void Delete(void* ptr);
  static void* Reallocate(void* ptr, size_t size);
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
  // What waits in the queue is freed memory, too.
  ABSL_ATTRIBUTE_COLD static Status CreateArenaIn(void* buffer, size_t bytes,
                                                  const ArenaOptions& options,
                                                  ArenaHandle* out);

  // What is in the queue is freed.
  ABSL_ATTRIBUTE_COLD static size_t Purge(size_t keep_bytes);
  // Without what waits in the queue.
  ABSL_ATTRIBUTE_COLD static Status Walk(ArenaHandle handle, size_t least_bytes,
                                         VisitBlock visit, void* context);
  ABSL_ATTRIBUTE_COLD static Status BlockOf(const void* ptr, BlockInfo* out);

  static constexpr size_t kMaxStackDepth = 64;
  // Stacks are taken from now on.
  ABSL_ATTRIBUTE_COLD static void ApplyOptions(const Options& options);
  // At the end of the process: dies if something was written to what waits,
  // and prints what is not freed, if that is asked for.
  ABSL_ATTRIBUTE_COLD static void Finish();

  ABSL_ATTRIBUTE_COLD static void PrepareFork();
  ABSL_ATTRIBUTE_COLD static void ParentAfterFork();
  ABSL_ATTRIBUTE_COLD static void ChildAfterFork();
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_DEBUG_HEAP_H_
