// The C API over the process heap: check, cast, call. No logic lives here.

#include "myonly/myonly.h"

#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/heap.h"
#include "allocator/runtime/start.h"
#include "capi/arena_stats.h"
#include "capi/checked.h"
#include "capi/override/marker.h"

namespace {

using myonly::internal::Arena;
using myonly::internal::ArenaHandle;
using myonly::internal::ArenaStats;
using myonly::internal::Checked;
using myonly::internal::HasSize;
using myonly::internal::Heap;
using myonly::internal::kMinAlignment;
using myonly::internal::Status;
using myonly::internal::StoreStats;

static_assert(MYONLY_ERR_NOMEM == static_cast<int32_t>(Status::kNoMemory));
static_assert(MYONLY_ERR_OS == static_cast<int32_t>(Status::kOs));

myonly_status Fail(Status status) {
  Heap::SetLastStatus(status);
  return static_cast<myonly_status>(status);
}

// For calls that return status: a success leaves the last failure alone.
myonly_status Return(Status status) {
  return status == Status::kOk ? MYONLY_OK : Fail(status);
}

void* FailAlloc(Status status) {
  Heap::SetLastStatus(status);
  return Checked(nullptr);
}

ArenaHandle HandleOf(myonly_arena* arena) {
  return reinterpret_cast<ArenaHandle>(arena);
}

// The arena of a handle, or NULL with its status.
Arena* FindArena(myonly_arena* arena, Status* status) {
  return Heap::FindArena(HandleOf(arena), status);
}

void StoreUsable(const void* ptr, size_t* actual) {
  if (actual != nullptr) *actual = Heap::UsableSize(ptr);
}

__attribute__((constructor(101))) void AtStart(int /*argc*/, char** /*argv*/,
                                               char** environment) {
  myonly::internal::Start(environment, MYONLY_VERSION_STRING,
                          myonly_is_process_allocator() != 0);
}

__attribute__((destructor(101))) void AtEnd() { myonly::internal::Finish(); }

}  // namespace

extern "C" {

// See override/marker.h.
__attribute__((weak)) bool myonly_override_is_active() { return false; }

const char* myonly_status_str(myonly_status status) noexcept {
  switch (status) {
    case MYONLY_OK:
      return "ok";
    case MYONLY_ERR_NOMEM:
      return "out of memory";
    case MYONLY_ERR_QUOTA:
      return "the arena's limit is reached";
    case MYONLY_ERR_INVALID:
      return "invalid argument";
    case MYONLY_ERR_UNSUPPORTED:
      return "not supported";
    case MYONLY_ERR_BUSY:
      return "in use";
    case MYONLY_ERR_STALE:
      return "the arena has been destroyed";
    case MYONLY_ERR_CORRUPT:
      return "the heap is corrupt";
    case MYONLY_ERR_OS:
      return "a system call failed";
    default:
      return "unknown status";
  }
}

myonly_status myonly_last_status(void) noexcept {
  return static_cast<myonly_status>(Heap::LastStatus());
}

uint32_t myonly_version(void) noexcept {
  return MYONLY_VERSION_MAJOR << 16 | MYONLY_VERSION_MINOR << 8 |
         MYONLY_VERSION_PATCH;
}

const char* myonly_version_str(void) noexcept { return MYONLY_VERSION_STRING; }

uint32_t myonly_abi_version(void) noexcept { return MYONLY_ABI_VERSION; }

int myonly_is_process_allocator(void) noexcept {
  return myonly_override_is_active() ? 1 : 0;
}

void* myonly_calloc(size_t count, size_t size) noexcept {
  return Checked(Heap::AllocateZeroed(count, size));
}

void* myonly_realloc(void* ptr, size_t size) noexcept {
  void* moved = Heap::Reallocate(ptr, size);
  return ptr != nullptr && size == 0 ? nullptr : Checked(moved);
}

void* myonly_aligned_alloc(size_t alignment, size_t size) noexcept {
  return Checked(Heap::AllocateAligned(alignment, size));
}

void* myonly_alloc_at_least(size_t size, size_t alignment,
                            size_t* actual) noexcept {
  void* ptr = Checked(
      Heap::AllocateAligned(alignment == 0 ? kMinAlignment : alignment, size));
  StoreUsable(ptr, actual);
  return ptr;
}

void myonly_free_sized(void* ptr, size_t size, size_t alignment) noexcept {
  Heap::FreeSized(ptr, size, alignment);
}

int myonly_try_resize(void* ptr, size_t size, size_t* actual) noexcept {
  if (ptr != nullptr) {
    const bool resized = Heap::TryResize(ptr, size);
    StoreUsable(ptr, actual);
    if (Heap::TellOfResize(ptr)) return resized ? 1 : 0;
  } else {
    Fail(Status::kInvalid);
  }
  if (actual != nullptr) *actual = 0;
  return 0;
}

size_t myonly_usable_size(const void* ptr) noexcept {
  return Heap::UsableSize(ptr);
}

size_t myonly_alloc_batch(size_t size, void** out, size_t count) noexcept {
  const size_t made = Heap::AllocateBatch(0, size, out, count);
  if (made < count) Checked(nullptr);
  return made;
}

void myonly_free_batch(void** ptrs, size_t count) noexcept {
  Heap::HoldNews();
  Heap::FreeBatch(ptrs, count);
  Heap::TellHeldNews();
}

size_t myonly_purge(size_t keep_bytes) noexcept {
  return Heap::Purge(keep_bytes);
}

void myonly_thread_idle(void) noexcept { Heap::NoteIdle(); }

void* myonly_arena_calloc(myonly_arena* arena, size_t count,
                          size_t size) noexcept {
  return Checked(Heap::AllocateZeroedIn(HandleOf(arena), count, size));
}

void* myonly_arena_realloc(myonly_arena* arena, void* ptr,
                           size_t size) noexcept {
  if (ptr == nullptr) return myonly_arena_alloc(arena, size);
  Status status;
  if (FindArena(arena, &status) == nullptr) return FailAlloc(status);
  ArenaHandle owner;
  if (Heap::ArenaOf(ptr, &owner) != Status::kOk || owner != HandleOf(arena)) {
    return FailAlloc(Status::kInvalid);
  }
  return myonly_realloc(ptr, size);
}

void* myonly_arena_aligned_alloc(myonly_arena* arena, size_t alignment,
                                 size_t size) noexcept {
  return Checked(Heap::AllocateAlignedIn(HandleOf(arena), alignment, size));
}

void* myonly_arena_alloc_at_least(myonly_arena* arena, size_t size,
                                  size_t alignment, size_t* actual) noexcept {
  void* ptr = myonly_arena_aligned_alloc(
      arena, alignment == 0 ? kMinAlignment : alignment, size);
  StoreUsable(ptr, actual);
  return ptr;
}

size_t myonly_arena_alloc_batch(myonly_arena* arena, size_t size, void** out,
                                size_t count) noexcept {
  // 0 is the default arena there, and no handle here.
  const size_t made =
      arena == nullptr ? 0
                       : Heap::AllocateBatch(HandleOf(arena), size, out, count);
  if (arena == nullptr && count != 0) FailAlloc(Status::kInvalid);
  if (arena != nullptr && made < count) Checked(nullptr);
  return made;
}

myonly_status myonly_arena_reset(myonly_arena* handle) noexcept {
  return Return(Heap::ResetArena(HandleOf(handle)));
}

myonly_status myonly_arena_destroy(myonly_arena* arena,
                                   uint64_t flags) noexcept {
  if (flags > MYONLY_DESTROY_REQUIRE_EMPTY) return Fail(Status::kUnsupported);
  return Return(Heap::DestroyArena(HandleOf(arena),
                                   flags == MYONLY_DESTROY_REQUIRE_EMPTY));
}

myonly_status myonly_arena_stats(myonly_arena* handle,
                                 myonly_arena_stats_t* out) noexcept {
  if (!HasSize(out)) return Fail(Status::kInvalid);
  Status status;
  Arena* arena = nullptr;
  if (handle != nullptr) {
    arena = FindArena(handle, &status);
    if (arena == nullptr) return Fail(status);
  }
  const ArenaStats stats =
      arena == nullptr ? Heap::Stats() : Heap::StatsOf(*arena);
  status = Heap::StatusOf(HandleOf(handle));
  if (status == Status::kOk) StoreStats(stats, out);
  return Return(status);
}

}  // extern "C"
