// The process's heap under AddressSanitizer, if the build asks for it by
// --define=myonly_asan=arenas: the sanitizer is told which bytes of ours are a
// live block's, so that it reports what touches others. Up to 4 MiB, and not in
// memory that programs have given. The library itself is not instrumented then.
// With --define=myonly_valgrind=arenas valgrind's memcheck is told the same.
//
// A call that resizes moves the block unless it can stay.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_RUNTIME_ASAN_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_ASAN_HEAP_H_

#include <cstddef>

#include "allocator/runtime/process_heap.h"

namespace myonly::internal {

class AsanHeap : public ProcessHeap {
 public:
  // As in ProcessHeap. What is behind the size that was asked for may be
  // touched once UsableSize was called.
  static void* Allocate(size_t size);
  static void* AllocateQuick(size_t /*size*/) { return nullptr; }
  static void* AllocateSlow(size_t size) { return Allocate(size); }
  static void* AllocateZeroed(size_t count, size_t size);
  static void* AllocateAligned(size_t alignment, size_t size);
  static void* AllocateInQuick(ArenaHandle, size_t) { return nullptr; }
  static void* AllocateInSlow(ArenaHandle handle, size_t size,
                              size_t alignment);
  static void* AllocateZeroedIn(ArenaHandle handle, size_t count, size_t size);
  static void* AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                 size_t size);
  static size_t AllocateBatch(ArenaHandle handle, size_t size, void** out,
                              size_t count);
  static void Free(void* ptr);
  static void FreeInline(void* ptr) { Free(ptr); }
  static void FreeSized(void* ptr, size_t size, size_t alignment);
  static void FreeBatch(void** ptrs, size_t count);
  static void* Reallocate(void* ptr, size_t size);
  static bool TryResize(void* ptr, size_t size);
  static size_t UsableSize(const void* ptr);
  static Status ResetArena(ArenaHandle handle);
  static Status DestroyArena(ArenaHandle handle, bool require_empty);
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_ASAN_HEAP_H_
