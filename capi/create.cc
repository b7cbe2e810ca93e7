// Creating arenas through the C API: reads the options, of which callers may
// know fewer or more.

#include <cstddef>
#include <cstring>

#include "allocator/arena/arena_options.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/heap.h"
#include "allocator/runtime/process_heap.h"
#include "myonly/myonly.h"

namespace {

using myonly::internal::ArenaHandle;
using myonly::internal::ArenaOptions;
using myonly::internal::Heap;
using myonly::internal::Min;
using myonly::internal::PageFunctions;
using myonly::internal::ProcessHeap;
using myonly::internal::Status;

myonly_status Return(Status status) {
  if (status != Status::kOk) ProcessHeap::SetLastStatus(status);
  return static_cast<myonly_status>(status);
}

// What the caller gives, NULL for the defaults. A caller may know a shorter
// struct, or a longer one, as long as it asks for nothing there.
Status ReadStruct(const myonly_arena_options* options,
                  myonly_arena_options* given) {
  if (options == nullptr) return Status::kOk;
  const size_t size = options->struct_size;
  // Half a field is no field.
  if (size < offsetof(myonly_arena_options, name) ||
      size % alignof(myonly_arena_options) != 0) {
    return Status::kInvalid;
  }
  memcpy(given, options, Min(size, sizeof(*given)));
  const char* bytes = reinterpret_cast<const char*>(options);
  for (size_t i = sizeof(*given); i < size; ++i) {
    if (bytes[i] != 0) return Status::kUnsupported;
  }
  return Status::kOk;
}

Status ReadOptions(const myonly_arena_options* options,
                   myonly_arena_options* given, ArenaOptions* arena) {
  const Status read = ReadStruct(options, given);
  if (read != Status::kOk) return read;
  constexpr uint64_t kKnownFlags =
      MYONLY_ARENA_EXACT_BYTES | MYONLY_ARENA_POISON_ON_RESET;
  if (given->version != 0 || (given->flags & ~kKnownFlags) != 0) {
    return Status::kUnsupported;
  }
  if (given->limit_bytes != 0 && given->reserve_bytes >= given->limit_bytes) {
    return Status::kInvalid;
  }
  if (given->name != nullptr) arena->name = given->name;
  arena->limit_bytes = given->limit_bytes;
  arena->soft_limit_bytes = given->soft_limit_bytes;
  arena->reserve_bytes = given->reserve_bytes;
  arena->exact_bytes = (given->flags & MYONLY_ARENA_EXACT_BYTES) != 0;
  arena->poisons_on_reset = (given->flags & MYONLY_ARENA_POISON_ON_RESET) != 0;
  arena->parent = reinterpret_cast<ArenaHandle>(given->parent);
  arena->on_pressure = given->on_pressure;
  arena->ctx = given->ctx;
  return Status::kOk;
}

Status ReadPages(const myonly_page_source& given, PageFunctions* pages) {
  if (given.struct_size < sizeof(given) || given.reserve == nullptr) {
    return Status::kInvalid;
  }
  if (given.version != 0) return Status::kUnsupported;
  *pages = {given.ctx, given.reserve, given.purge, given.release};
  return Status::kOk;
}

}  // namespace

extern "C" {

myonly_status myonly_arena_create(const myonly_arena_options* options,
                                  myonly_arena** out) noexcept {
  if (out == nullptr) return Return(Status::kInvalid);
  *out = nullptr;
  myonly_arena_options given = MYONLY_ARENA_OPTIONS_INIT;
  ArenaOptions arena;
  Status status = ReadOptions(options, &given, &arena);
  if (status != Status::kOk) return Return(status);
  ArenaHandle handle = 0;
  if (given.pages == nullptr) {
    status = ProcessHeap::CreateArena(arena, &handle);
  } else {
    PageFunctions pages;
    status = ReadPages(*given.pages, &pages);
    if (status == Status::kOk) {
      status = ProcessHeap::CreateArenaOver(pages, arena, &handle);
    }
  }
  if (status == Status::kOk) *out = reinterpret_cast<myonly_arena*>(handle);
  return Return(status);
}

myonly_status myonly_arena_create_in(void* buffer, size_t bytes,
                                     const myonly_arena_options* options,
                                     myonly_arena** out) noexcept {
  if (out == nullptr) return Return(Status::kInvalid);
  *out = nullptr;
  myonly_arena_options given = MYONLY_ARENA_OPTIONS_INIT;
  ArenaOptions arena;
  Status status = ReadOptions(options, &given, &arena);
  if (status == Status::kOk && given.pages != nullptr) {
    status = Status::kInvalid;
  }
  if (status != Status::kOk) return Return(status);
  ArenaHandle handle = 0;
  status = Heap::CreateArenaIn(buffer, bytes, arena, &handle);
  if (status == Status::kOk) *out = reinterpret_cast<myonly_arena*>(handle);
  return Return(status);
}

}  // extern "C"
