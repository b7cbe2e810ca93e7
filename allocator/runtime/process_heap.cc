#include "allocator/runtime/process_heap.h"

#include <sys/auxv.h>

#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/check.h"
#include "allocator/base/mutex.h"
#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

// 16 random bytes that the kernel gives every process, without a system call.
uint64_t RandomSeed() {
  uint64_t seed = 0;
  const auto* random = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (random != nullptr) memcpy(&seed, random, sizeof(seed));
  return MixBits(seed);
}

ABSL_CONST_INIT ProcessGlobals process_globals;

namespace {

ProcessGlobals& g = process_globals;

// Initial-exec: general-dynamic access may allocate.
__attribute__((tls_model("initial-exec"))) thread_local Status last_status =
    Status::kOk;

void* Fail(Status status) {
  last_status = status;
  return nullptr;
}

// Address -> arena, for addresses that are no block in a region. One of three
// is set, or none: then the address is not a live block's.
struct Owner {
  Arena* arena = nullptr;
  Slice* region = nullptr;
  Slice* run = nullptr;
  HugeMapping* mapping = nullptr;
};

Owner FindOwner(const void* ptr) {
  Owner owner;
  if (Slice* slice = g.runs.Find(ptr)) {
    if (slice->kind == RunKind::kRegion) {
      owner.region = slice;
      owner.arena = static_cast<Arena*>(slice->owner);
    } else if (slice->kind == RunKind::kLarge) {
      owner.run = g.runs.FindRun(slice);
      owner.arena = static_cast<Arena*>(slice->owner);
    }
  } else if (HugeMapping* mapping = g.huge.Find(ptr)) {
    owner.mapping = mapping;
    owner.arena = static_cast<Arena*>(mapping->owner);
  }
  return owner;
}

[[noreturn]] ABSL_ATTRIBUTE_NOINLINE void ReportUnknown(const void* ptr) {
  ReportAndAbort(
      g.runs.Find(ptr) != nullptr ? "double free" : "free of a foreign address",
      ptr);
}

}  // namespace

void ProcessHeap::FreeSlow(void* ptr) {
  Slice* slice;
  if (ABSL_PREDICT_TRUE(g.runs.FindFirst(ptr, &slice) &&
                        slice->kind == RunKind::kRegion)) {
    static_cast<Arena*>(slice->owner)->FreeBlock(slice, ptr);
    return;
  }
  if (ptr == nullptr) return;
  const Owner owner = FindOwner(ptr);
  if (owner.run != nullptr) {
    owner.arena->FreeLarge(owner.run, ptr);
  } else if (owner.mapping != nullptr) {
    owner.arena->FreeHuge(owner.mapping, ptr);
  } else if (owner.region != nullptr) {
    owner.arena->FreeBlock(owner.region, ptr);
  } else {
    ReportUnknown(ptr);
  }
}

namespace {

size_t UsableSizeOf(const Owner& owner, void* ptr) {
  if (owner.region != nullptr) {
    return owner.arena->UsableBlock(owner.region, ptr);
  }
  if (owner.run != nullptr) return owner.arena->UsableLarge(owner.run, ptr);
  if (owner.mapping != nullptr) return Arena::UsableHuge(owner.mapping, ptr);
  ReportUnknown(ptr);
}

bool ResizeInPlace(const Owner& owner, void** ptr, size_t size, bool may_move) {
  if (size > kMaxRequest) return false;
  if (owner.region != nullptr) {
    return owner.arena->ResizeBlock(owner.region, *ptr, size);
  }
  if (owner.run != nullptr) {
    return owner.arena->ResizeLarge(owner.run, *ptr, size);
  }
  if (owner.mapping != nullptr) {
    return owner.arena->ResizeHuge(owner.mapping, ptr, size, may_move);
  }
  ReportUnknown(*ptr);
}

}  // namespace

void* ProcessHeap::AllocateSlow(size_t size) {
  Status status;
  void* ptr = g.default_arena.AllocateSlow(size, &status);
  return ptr != nullptr ? ptr : Fail(status);
}

void* ProcessHeap::AllocateZeroed(size_t count, size_t size) {
  size_t bytes;
  if (ABSL_PREDICT_FALSE(__builtin_mul_overflow(count, size, &bytes))) {
    return Fail(Status::kNoMemory);
  }
  Status status;
  void* ptr = g.default_arena.AllocateZeroed(bytes, &status);
  return ptr != nullptr ? ptr : Fail(status);
}

void* ProcessHeap::AllocateAligned(size_t alignment, size_t size) {
  if (!IsPowerOfTwo(alignment)) return Fail(Status::kInvalid);
  Status status;
  void* ptr = g.default_arena.AllocateAligned(size, alignment, &status);
  return ptr != nullptr ? ptr : Fail(status);
}

void* ProcessHeap::Reallocate(void* ptr, size_t size) {
  if (ptr == nullptr) return Allocate(size);
  const Owner owner = FindOwner(ptr);
  if (size == 0) {
    Free(ptr);
    return nullptr;
  }
  if (ResizeInPlace(owner, &ptr, size, /*may_move=*/true)) return ptr;
  if (size > kMaxRequest) return Fail(Status::kNoMemory);
  Status status;
  void* moved = owner.arena->Allocate(size, &status);
  if (moved == nullptr) return Fail(status);
  memcpy(moved, ptr, Min(size, UsableSizeOf(owner, ptr)));
  Free(ptr);
  return moved;
}

bool ProcessHeap::TryResize(void* ptr, size_t size) {
  return ResizeInPlace(FindOwner(ptr), &ptr, size, /*may_move=*/false);
}

size_t ProcessHeap::UsableSize(const void* ptr) {
  if (ptr == nullptr) return 0;
  return UsableSizeOf(FindOwner(ptr), const_cast<void*>(ptr));
}

Status ProcessHeap::CreateArena(const ArenaOptions& options, ArenaHandle* out) {
  return g.registry.Create(options, out);
}

Arena* ProcessHeap::FindArena(ArenaHandle handle, Status* status) {
  return g.registry.Find(handle, status);
}

Status ProcessHeap::DestroyArena(ArenaHandle handle, bool require_empty) {
  return g.registry.Destroy(handle, require_empty);
}

Arena& ProcessHeap::DefaultArena() { return g.default_arena; }

Status ProcessHeap::ArenaOf(const void* ptr, ArenaHandle* out) {
  const Owner owner = FindOwner(ptr);
  *out = 0;
  if (owner.arena == nullptr) return Status::kInvalid;
  *out = owner.arena->token();
  return Status::kOk;
}

size_t ProcessHeap::Purge(size_t keep_bytes) {
  size_t purged = g.default_arena.Purge();
  g.registry.VisitAll([&purged](Arena& arena) { purged += arena.Purge(); });
  const size_t dirty = g.runs.dirty_bytes();
  purged += g.huge.Purge(keep_bytes - Min(dirty, keep_bytes));
  purged += g.runs.Purge(keep_bytes);
  return purged;
}

Status ProcessHeap::CheckArena(Arena& arena) {
  const void* where = nullptr;
  if (arena.CheckInvariants(&where)) return Status::kOk;
  Printer line;
  line.Text("myonlymalloc: broken invariant at ").Address(where).Text("\n");
  line.WriteTo(2);
  return Status::kCorrupt;
}

Status ProcessHeap::CheckInvariants() {
  g.runs.CheckInvariants();
  g.huge.CheckInvariants();
  return CheckArena(g.default_arena);
}

void ProcessHeap::ApplyOptions(const Options& options) {
  g.runs.set_dirty_floor_bytes(options.dirty_floor);
  g.huge.set_cache_floor_bytes(options.huge_cache);
}

Status ProcessHeap::LastStatus() { return last_status; }
void ProcessHeap::SetLastStatus(Status status) { last_status = status; }

// In the order of ranks, so that no other thread can hold one and wait.
void ProcessHeap::PrepareFork() {
  g.registry.mutex_for_fork().LockForFork();
  g.default_arena.mutex_for_fork().LockForFork();
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.mutex_for_fork().LockForFork(); });
  g.runs.mutex_for_fork().LockForFork();
  g.huge.mutex_for_fork().LockForFork();
  g.metadata.mutex_for_fork().LockForFork();
  Mutex::BeginFork();
}

void ProcessHeap::ParentAfterFork() {
  Mutex::EndFork();
  g.metadata.mutex_for_fork().UnlockAfterFork();
  g.huge.mutex_for_fork().UnlockAfterFork();
  g.runs.mutex_for_fork().UnlockAfterFork();
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.mutex_for_fork().UnlockAfterFork(); });
  g.default_arena.mutex_for_fork().UnlockAfterFork();
  g.registry.mutex_for_fork().UnlockAfterFork();
}

void ProcessHeap::ChildAfterFork() {
  Mutex::EndFork();
  g.metadata.mutex_for_fork().ResetAfterFork();
  g.huge.mutex_for_fork().ResetAfterFork();
  g.runs.mutex_for_fork().ResetAfterFork();
  g.registry.VisitAllLocked(
      [](Arena& arena) { arena.mutex_for_fork().ResetAfterFork(); });
  g.default_arena.mutex_for_fork().ResetAfterFork();
  g.registry.mutex_for_fork().ResetAfterFork();
}

}  // namespace myonly::internal
