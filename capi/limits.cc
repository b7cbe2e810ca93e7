// The C API of limits: check, cast, call. No logic lives here.

#include "myonly/limits.h"

#include "allocator/runtime/process_heap.h"

namespace {

using myonly::internal::Arena;
using myonly::internal::ArenaHandle;
using myonly::internal::Pressure;
using myonly::internal::ProcessHeap;
using myonly::internal::Quota;
using myonly::internal::Status;

static_assert(MYONLY_PRESSURE_SOFT == Pressure::kSoft);
static_assert(MYONLY_PRESSURE_RELIEVED == Pressure::kRelieved);
static_assert(MYONLY_PRESSURE_LIMIT == Pressure::kLimit);

myonly_status Return(Status status) {
  if (status != Status::kOk) ProcessHeap::SetLastStatus(status);
  return static_cast<myonly_status>(status);
}

ArenaHandle HandleOf(myonly_arena* arena) {
  return reinterpret_cast<ArenaHandle>(arena);
}

// Calls use(Arena&) if there is such an arena.
template <typename Use>
myonly_status With(myonly_arena* handle, Use use) {
  Status status = Status::kOk;
  Arena* arena = ProcessHeap::FindArena(HandleOf(handle), &status);
  if (arena == nullptr) return Return(status);
  use(*arena);
  return Return(ProcessHeap::StatusOf(HandleOf(handle)));
}

}  // namespace

extern "C" {

myonly_status myonly_arena_set_limit(myonly_arena* arena,
                                     size_t limit_bytes) noexcept {
  return Return(ProcessHeap::SetLimit(HandleOf(arena), &Quota::set_limit_bytes,
                                      limit_bytes));
}

myonly_status myonly_arena_set_soft_limit(myonly_arena* arena,
                                          size_t soft_limit_bytes) noexcept {
  return Return(ProcessHeap::SetLimit(
      HandleOf(arena), &Quota::set_soft_limit_bytes, soft_limit_bytes));
}

myonly_status myonly_arena_charged(myonly_arena* arena,
                                   size_t* charged_bytes) noexcept {
  if (charged_bytes == nullptr) return Return(Status::kInvalid);
  size_t charged = 0;
  const myonly_status status = With(arena, [&charged](Arena& found) {
    charged = found.quota().charged_bytes();
  });
  if (status == MYONLY_OK) *charged_bytes = charged;
  return status;
}

myonly_status myonly_arena_purge(myonly_arena* arena,
                                 size_t keep_bytes) noexcept {
  return With(arena, [arena, keep_bytes](Arena& found) {
    ProcessHeap::PurgeArena(found, HandleOf(arena), keep_bytes);
  });
}

myonly_status myonly_arena_transfer(void* ptr, myonly_arena* to) noexcept {
  return Return(ProcessHeap::Transfer(ptr, HandleOf(to)));
}

}  // extern "C"
