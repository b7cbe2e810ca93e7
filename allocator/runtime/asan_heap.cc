#include "allocator/runtime/asan_heap.h"

#include <cstring>

#include "allocator/runtime/arena_life.h"
#include "allocator/runtime/request_gate.h"

#ifdef MYONLY_TELLS_VALGRIND
#include <valgrind/memcheck.h>
#else
// Of the sanitizer's interface, which needs no header.
extern "C" {
void __asan_poison_memory_region(const volatile void* start, size_t bytes);
void __asan_unpoison_memory_region(const volatile void* start, size_t bytes);
}
#endif

namespace myonly::internal {
namespace {

#ifdef MYONLY_TELLS_VALGRIND
void Poison(const void* start, size_t bytes) {
  VALGRIND_MAKE_MEM_NOACCESS(start, bytes);
}
void Unpoison(const void* start, size_t bytes) {
  VALGRIND_MAKE_MEM_DEFINED(start, bytes);
}
// While one lives, nothing that the thread touches is reported: every
// instruction is looked at, also those of the library.
struct Silence {
  Silence() { VALGRIND_DISABLE_ERROR_REPORTING; }
  ~Silence() { VALGRIND_ENABLE_ERROR_REPORTING; }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
};
#else
void Poison(const void* start, size_t bytes) {
  __asan_poison_memory_region(start, bytes);
}
void Unpoison(const void* start, size_t bytes) {
  __asan_unpoison_memory_region(start, bytes);
}
struct Silence {
  Silence() {}
};
#endif

ProcessGlobals& g = process_globals;

// Mappings of their own go back to the system, where others may get them.
bool IsTold(const void* ptr) {
  Slice* slice = ptr == nullptr ? nullptr : g.runs.Find(ptr);
  return slice != nullptr && g.own.Refine(ptr, slice) == slice;
}

// Live are the first `size` bytes of its block.
void* Tell(void* ptr, size_t size) {
  if (ptr == nullptr) return nullptr;
  const size_t usable = ProcessHeap::UsableSize(ptr);
  Unpoison(ptr, usable);
  if (size < usable && IsTold(ptr)) {
    Poison(static_cast<char*>(ptr) + size, usable - size);
  }
  return ptr;
}

// Before it is freed: afterwards it may be another one's.
void TellFreed(const void* ptr) {
  if (!IsTold(ptr)) return;
  Poison(ptr, ProcessHeap::UsableSize(ptr));
}

void* Cleared(void* ptr, size_t bytes) {
  return Tell(ptr, bytes) == nullptr ? nullptr : memset(ptr, 0, bytes);
}

void TellAll(ArenaHandle handle, bool live) {
  ProcessHeap::Walk(
      handle, 0,
      [](void* is_live, const BlockInfo& block) {
        if (*static_cast<bool*>(is_live)) {
          Unpoison(block.start, block.bytes);
        } else if (IsTold(block.start)) {
          Poison(block.start, block.bytes);
        }
        return 0;
      },
      &live);
}

bool AsksFor(ArenaHandle handle) {
  Status status;
  Arena* arena =
      handle == 0 ? &g.default_arena : g.registry.Find(handle, &status);
  return arena != nullptr && RequestGate::AsksFor(*arena);
}

void* FailStale() {
  ProcessHeap::SetLastStatus(Status::kStale);
  return nullptr;
}

}  // namespace

void* AsanHeap::Allocate(size_t size) {
  const Silence silence;
  return Tell(ProcessHeap::Allocate(size), size);
}

void* AsanHeap::AllocateZeroed(size_t count, size_t size) {
  const Silence silence;
  size_t bytes;
  return __builtin_mul_overflow(count, size, &bytes)
             ? ProcessHeap::AllocateZeroed(count, size)
             : Cleared(ProcessHeap::Allocate(bytes), bytes);
}

void* AsanHeap::AllocateAligned(size_t alignment, size_t size) {
  const Silence silence;
  return Tell(ProcessHeap::AllocateAligned(alignment, size), size);
}

void* AsanHeap::AllocateInSlow(ArenaHandle handle, size_t size,
                               size_t alignment) {
  const Silence silence;
  return Tell(ProcessHeap::AllocateInSlow(handle, size, alignment), size);
}

void* AsanHeap::AllocateZeroedIn(ArenaHandle handle, size_t count,
                                 size_t size) {
  const Silence silence;
  size_t bytes;
  return __builtin_mul_overflow(count, size, &bytes)
             ? ProcessHeap::AllocateZeroedIn(handle, count, size)
             : Cleared(ProcessHeap::AllocateIn(handle, bytes), bytes);
}

void* AsanHeap::AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                  size_t size) {
  const Silence silence;
  return Tell(ProcessHeap::AllocateAlignedIn(handle, alignment, size), size);
}

size_t AsanHeap::AllocateBatch(ArenaHandle handle, size_t size, void** out,
                               size_t count) {
  const Silence silence;
  const size_t made = ProcessHeap::AllocateBatch(handle, size, out, count);
  for (size_t i = 0; i < made; ++i) Tell(out[i], size);
  return made;
}

void AsanHeap::Free(void* ptr) {
  const Silence silence;
  TellFreed(ptr);
  ProcessHeap::Free(ptr);
}

void AsanHeap::FreeSized(void* ptr, size_t size, size_t alignment) {
  const Silence silence;
  TellFreed(ptr);
  ProcessHeap::FreeSized(ptr, size, alignment);
}

void AsanHeap::FreeBatch(void** ptrs, size_t count) {
  const Silence silence;
  for (size_t i = 0; i < count; ++i) Free(ptrs[i]);
}

void* AsanHeap::Reallocate(void* ptr, size_t size) {
  const Silence silence;
  if (ptr == nullptr) return Allocate(size);
  if (size == 0) {
    Free(ptr);
    return nullptr;
  }
  if (!IsTold(ptr)) return Tell(ProcessHeap::Reallocate(ptr, size), size);
  if (TryResize(ptr, size)) return TellOfResize(ptr) ? ptr : nullptr;
  ArenaHandle handle = 0;
  ProcessHeap::ArenaOf(ptr, &handle);
  const ArenaLife life(handle);
  const size_t usable = ProcessHeap::UsableSize(ptr);
  // What shrinks is no request, and stays where there is no memory for less.
  const bool shrinks = size <= usable;
  const Status before = LastStatus();
  void* moved = nullptr;
  if (!shrinks || !AsksFor(handle)) {
    moved = handle == 0 ? Allocate(size)
                        : AllocateInSlow(handle, size, kMinAlignment);
  }
  if (!life.IsAsBefore()) {
    Free(moved);  // what was in `ptr` is gone
    return FailStale();
  }
  if (moved == nullptr) {
    if (!shrinks) return nullptr;
    SetLastStatus(before);
    // What it loses may be another one's at once.
    Poison(static_cast<char*>(ptr) + size, usable - size);
    ShrinkInPlace(ptr, usable, size);
    Tell(ptr, size);
    return TellOfResize(ptr) ? ptr : nullptr;
  }
  Unpoison(ptr, usable);
  memcpy(moved, ptr, Min(size, usable));
  Free(ptr);
  return life.IsAsBefore() ? moved : FailStale();
}

bool AsanHeap::TryResize(void* ptr, size_t size) {
  const Silence silence;
  if (!IsTold(ptr)) return ProcessHeap::TryResize(ptr, size);
  const size_t usable = ProcessHeap::UsableSize(ptr);
  // What it loses may be another one's at once.
  if (size < usable) {
    Poison(static_cast<char*>(ptr) + size, usable - size);
  }
  const bool resized = ProcessHeap::TryResize(ptr, size);
  Tell(ptr, resized ? size : usable);
  return resized;
}

size_t AsanHeap::UsableSize(const void* ptr) {
  const Silence silence;
  const size_t usable = ProcessHeap::UsableSize(ptr);
  if (ptr != nullptr) Unpoison(ptr, usable);
  return usable;
}

Status AsanHeap::ResetArena(ArenaHandle handle) {
  const Silence silence;
  if (handle != 0) TellAll(handle, /*live=*/false);
  return ProcessHeap::ResetArena(handle);
}

Status AsanHeap::DestroyArena(ArenaHandle handle, bool require_empty) {
  const Silence silence;
  if (!require_empty && handle != 0) TellAll(handle, /*live=*/false);
  const Status status = ProcessHeap::DestroyArena(handle, require_empty);
  if (status == Status::kBusy && !require_empty) TellAll(handle, /*live=*/true);
  return status;
}

}  // namespace myonly::internal
