// The process's heap: the default arena, the arena registry and the pages they
// share.
//
// malloc: Allocate -> the default arena. free: address -> slice descriptor (or
// huge mapping) -> its arena. It works before any constructor has run; the
// first allocation reserves addresses. Nothing here touches errno: capi sets
// it.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/status.h"
#include "allocator/options/options.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/process_globals.h"

namespace myonly::internal {

class ProcessHeap {
 public:
  ProcessHeap() = delete;

  // The allocate family on the default arena. NULL on failure, and LastStatus()
  // says why. Alignments must be powers of two, else NULL with kInvalid.
  static void* Allocate(size_t size) {
    void* ptr = AllocateQuick(size);
    return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : AllocateSlow(size);
  }
  // The two halves of Allocate; NULL of the first one means the second one.
  static void* AllocateQuick(size_t size) {
    return process_globals.default_arena.AllocateQuick(size);
  }
  static void* AllocateSlow(size_t size);
  static void* AllocateZeroed(size_t count, size_t size);
  static void* AllocateAligned(size_t alignment, size_t size);

  // On blocks of every arena. A bad pointer is reported and aborts.
  static void Free(void* ptr) {
    Slice* slice;
    if (ABSL_PREDICT_TRUE(process_globals.runs.FindFirst(ptr, &slice) &&
                          slice->kind == RunKind::kRegion &&
                          static_cast<Arena*>(slice->owner)->FreeQuick(ptr))) {
      return;
    }
    FreeSlow(ptr);
  }
  // `ptr` NULL allocates from the default arena; `size` 0 frees and returns
  // NULL with LastStatus() unchanged.
  static void* Reallocate(void* ptr, size_t size);
  static bool TryResize(void* ptr, size_t size);
  static size_t UsableSize(const void* ptr);

  // Arenas. Find returns NULL for a handle that is stale or was never one and
  // stores which in `*status`.
  static Status CreateArena(const ArenaOptions& options, ArenaHandle* out);
  static Arena* FindArena(ArenaHandle handle, Status* status);
  static Status DestroyArena(ArenaHandle handle, bool require_empty);
  static Arena& DefaultArena();
  // The arena that owns the page at `ptr`: kOk with 0 for the default arena,
  // kInvalid for memory that is not ours. Safe for every address.
  static Status ArenaOf(const void* ptr, ArenaHandle* out);

  // Gives free pages back until at most `keep_bytes` stay; returns the bytes.
  static size_t Purge(size_t keep_bytes);

  // Every invariant of one arena; kCorrupt, and one line on stderr says where.
  static Status CheckArena(Arena& arena);
  // The same for the default arena, and what all arenas share (which dies).
  static Status CheckInvariants();

  // What the environment asks for; see options.def.
  static void ApplyOptions(const Options& options);

  // This thread's last failure.
  static Status LastStatus();
  static void SetLastStatus(Status status);

  // Around fork(): no other thread holds a lock of ours in the child.
  static void PrepareFork();
  static void ParentAfterFork();
  static void ChildAfterFork();

 private:
  static void FreeSlow(void* ptr);
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_
