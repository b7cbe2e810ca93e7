// Looking at heaps through the C API: check, cast, call.

#include <cstring>

#include "allocator/base/invariant.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/runtime/heap.h"
#include "capi/arena_stats.h"
#include "myonly/myonly.h"

namespace {

using myonly::internal::Arena;
using myonly::internal::ArenaHandle;
using myonly::internal::ArenaStats;
using myonly::internal::BlockInfo;
using myonly::internal::BrokenInvariant;
using myonly::internal::HasSize;
using myonly::internal::Heap;
using myonly::internal::Min;
using myonly::internal::ProcessHeap;
using myonly::internal::Status;
using myonly::internal::StoreStats;

// A success leaves the last failure alone.
myonly_status Return(Status status) {
  if (status != Status::kOk) ProcessHeap::SetLastStatus(status);
  return static_cast<myonly_status>(status);
}

ArenaHandle HandleOf(myonly_arena* arena) {
  return reinterpret_cast<ArenaHandle>(arena);
}

// The arena of a handle, NULL for the process heap.
Status Find(myonly_arena* handle, Arena** arena) {
  Status status = Status::kOk;
  *arena = nullptr;
  if (handle == nullptr) return status;
  *arena = ProcessHeap::FindArena(HandleOf(handle), &status);
  return *arena == nullptr ? status : Status::kOk;
}

myonly_block_info Convert(const BlockInfo& block) {
  return {static_cast<uint32_t>(sizeof(myonly_block_info)),
          block.is_live ? MYONLY_BLOCK_LIVE : MYONLY_BLOCK_FREE,
          block.start,
          block.bytes,
          reinterpret_cast<myonly_arena*>(block.arena),
          block.thread};
}

struct Visitor {
  myonly_block_fn visit;
  void* ctx;

  static int Visit(void* context, const BlockInfo& block) {
    const auto* visitor = static_cast<Visitor*>(context);
    const myonly_block_info info = Convert(block);
    return visitor->visit(visitor->ctx, &info);
  }
};

// What is asked for, all of which must be known.
Status ReadOptions(const myonly_walk_options* options, size_t* least_bytes) {
  *least_bytes = 0;
  if (options == nullptr) return Status::kOk;
  myonly_walk_options given = MYONLY_WALK_OPTIONS_INIT;
  const size_t size = options->struct_size;
  if (size < sizeof(uint32_t) * 2 || size % sizeof(uint64_t) != 0) {
    return Status::kInvalid;
  }
  memcpy(&given, options, Min(size, sizeof(given)));
  const char* bytes = reinterpret_cast<const char*>(options);
  for (size_t i = sizeof(given); i < size; ++i) {
    if (bytes[i] != 0) return Status::kUnsupported;
  }
  *least_bytes = given.least_bytes;
  return given.version == 0 && given.flags == 0 ? Status::kOk
                                                : Status::kUnsupported;
}

Status Check(myonly_arena* handle, BrokenInvariant* broken) {
  Arena* arena;
  Status status = Find(handle, &arena);
  if (status != Status::kOk) return status;
  const bool good = arena == nullptr ? ProcessHeap::CheckInvariants(broken)
                                     : ProcessHeap::CheckArena(*arena, broken);
  status = ProcessHeap::StatusOf(HandleOf(handle));
  if (status == Status::kOk) return good ? status : Status::kCorrupt;
  *broken = BrokenInvariant();
  return status;
}

}  // namespace

extern "C" {

myonly_status myonly_arena_walk(myonly_arena* arena,
                                const myonly_walk_options* options,
                                myonly_block_fn visit, void* ctx) noexcept {
  size_t least_bytes;
  const Status read = ReadOptions(options, &least_bytes);
  if (visit == nullptr) return Return(Status::kInvalid);
  if (read != Status::kOk) return Return(read);
  Visitor visitor = {visit, ctx};
  return Return(
      Heap::Walk(HandleOf(arena), least_bytes, Visitor::Visit, &visitor));
}

myonly_status myonly_arena_check_at(myonly_arena* arena, const char** what,
                                    const void** where) noexcept {
  BrokenInvariant broken;
  const Status status = Check(arena, &broken);
  if (what != nullptr) *what = broken.what;
  if (where != nullptr) *where = broken.where;
  return Return(status);
}

myonly_status myonly_arena_check(myonly_arena* arena) noexcept {
  BrokenInvariant broken;
  const Status status = Check(arena, &broken);
  if (status == Status::kCorrupt) ProcessHeap::ReportBroken(broken);
  return Return(status);
}

// The rest may be called from a signal handler: the last status is not theirs.

myonly_status myonly_arena_of(const void* ptr, myonly_arena** out) noexcept {
  if (out == nullptr) return MYONLY_ERR_INVALID;
  ArenaHandle handle;
  const Status status = ProcessHeap::ArenaOf(ptr, &handle);
  *out = reinterpret_cast<myonly_arena*>(handle);
  return static_cast<myonly_status>(status);
}

myonly_status myonly_block_of(const void* ptr,
                              myonly_block_info* out) noexcept {
  if (out == nullptr || out->struct_size < sizeof(uint32_t) * 2) {
    return MYONLY_ERR_INVALID;
  }
  BlockInfo block = {};
  const Status status = Heap::BlockOf(ptr, &block);
  if (status != Status::kOk) return static_cast<myonly_status>(status);
  myonly_block_info info = Convert(block);
  const size_t size = out->struct_size;
  info.struct_size = out->struct_size;
  if (size > sizeof(info)) {
    memset(reinterpret_cast<char*>(out) + sizeof(info), 0, size - sizeof(info));
  }
  memcpy(out, &info, Min(size, sizeof(info)));
  return MYONLY_OK;
}

myonly_status myonly_arena_peek(myonly_arena* handle,
                                myonly_arena_stats_t* out) noexcept {
  if (!HasSize(out)) return MYONLY_ERR_INVALID;
  Arena* arena;
  Status status = Find(handle, &arena);
  if (status != Status::kOk) return static_cast<myonly_status>(status);
  const ArenaStats stats = ProcessHeap::PeekStats(arena);
  status = ProcessHeap::StatusOf(HandleOf(handle));
  if (status == Status::kOk) StoreStats(stats, out);
  return static_cast<myonly_status>(status);
}

}  // extern "C"
