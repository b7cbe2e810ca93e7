// Looking at the process heap and its arenas: the walk, and what a signal
// handler may ask.

#include "allocator/arena/heap_walk.h"
#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/guarded_heap.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/sampling.h"
#include "allocator/threads/thread_registry.h"

namespace myonly::internal {
namespace {

ProcessGlobals& g = process_globals;

// What is visited between two looks: a few KiB of the caller's stack.
constexpr size_t kBlocksPerBatch = 128;

// The process's, unless an arena has memory of its own there. What such an
// arena can't use at the ends is still the block's that it was given.
const RunPool& RunsAt(const void* ptr) {
  const OwnGround* ground = g.own.PeekAt(ptr);
  return ground == nullptr || ground->runs.Find(ptr) == nullptr ? g.runs
                                                                : ground->runs;
}

// An arena may have the memory of a sampled block.
bool IsSampled(const void* ptr) {
  return kIsSecure && Sampling::Has(ptr) && &RunsAt(ptr) == &g.runs;
}

BlockInfo InfoOf(const GuardedBlock& block) {
  return {block.start, block.bytes, block.is_live, 0, 0};
}

BlockInfo ZeroSizeInfo(void* start) { return {start, 0, true, 0, 0}; }

// Those that are not in any run: of no bytes, and sampled ones.
ABSL_ATTRIBUTE_COLD bool VisitZeroSize(ProcessHeap::VisitBlock visit,
                                       void* context) {
  size_t index = 0;
  while (void* start = g.zero_size.NextLive(&index)) {
    if (visit(context, ZeroSizeInfo(start)) != 0) return false;
    ++index;
  }
  return true;
}

[[maybe_unused]] ABSL_ATTRIBUTE_COLD void VisitSampled(
    size_t least_bytes, ProcessHeap::VisitBlock visit, void* context) {
  GuardedBlock block;
  for (size_t slot = 0; Sampling::NextLive(&slot, &block); ++slot) {
    if (block.bytes < least_bytes) continue;
    if (visit(context, InfoOf(block)) != 0) return;
  }
}

}  // namespace

// ", arena NAME, size BYTES": of the object or block that has the address, free
// or not. Looked at as in a signal handler: what has gone wrong may be
// anywhere.
void DescribeAddress(Printer* line, const void* address) {
  const Arena* arena = FindArenaAt(RunsAt(address), g.huge, address);
  if (arena == nullptr) return;
  line->Text(", arena ").Plain(arena->name());
  FoundBlock found = {};
  if (FindBlock(RunsAt(address), g.huge, address, &found)) {
    line->Text(", size ").Number(found.bytes);
  }
}

Status ProcessHeap::ArenaOf(const void* ptr, ArenaHandle* out) {
  if (IsSampled(ptr)) {
    BlockInfo block;
    *out = 0;
    return BlockOf(ptr, &block);
  }
  if (g.zero_size.Has(ptr)) {
    *out = 0;
    return g.zero_size.IsLive(ptr) ? Status::kOk : Status::kInvalid;
  }
  const Arena* arena = FindArenaAt(RunsAt(ptr), g.huge, ptr);
  *out = arena == nullptr ? 0 : arena->PeekToken();
  return arena == nullptr ? Status::kInvalid : Status::kOk;
}

Status ProcessHeap::BlockOf(const void* ptr, BlockInfo* out) {
  if (IsSampled(ptr)) {
    GuardedBlock block;
    if (!Sampling::BlockAt(ptr, &block)) return Status::kInvalid;
    *out = InfoOf(block);
    return block.Has(ptr) ? Status::kOk : Status::kInvalid;
  }
  if (g.zero_size.Has(ptr)) {
    if (!g.zero_size.IsLive(ptr)) return Status::kInvalid;
    *out = ZeroSizeInfo(const_cast<void*>(ptr));
    return Status::kOk;
  }
  FoundBlock found = {};
  if (!FindBlock(RunsAt(ptr), g.huge, ptr, &found)) return Status::kInvalid;
  *out = {found.start, found.bytes, found.is_live, found.arena->PeekToken(),
          ThreadRegistry::IdOf(found.token)};
  if constexpr (kIsSecure) GuardedHeap::Correct(out);
  return Status::kOk;
}

ArenaStats ProcessHeap::PeekStats(const Arena* arena) {
  if (arena != nullptr) return arena->PeekStats();
  ArenaStats stats = g.default_arena.PeekStats();
  g.threads.PeekStats(&stats);
  AddZeroSizeStats(&stats);
  if constexpr (kIsSecure) Sampling::AddStats(&stats);
  return stats;
}

Status ProcessHeap::Walk(ArenaHandle handle, size_t least_bytes,
                         VisitBlock visit, void* context) {
  // Free objects could not be told from live ones.
  if (!kChecksObjects) return Status::kUnsupported;
  Status status = Status::kOk;
  Arena* arena =
      handle == 0 ? &g.default_arena : g.registry.Find(handle, &status);
  if (arena == nullptr) return status;
  HeapWalk walk(*arena, handle, least_bytes);
  WalkedBlock blocks[kBlocksPerBatch];
  // Visitors may destroy it, and its memory may be the program's.
  while (handle == 0 || g.registry.Find(handle, &status) != nullptr) {
    const size_t count = walk.Next(blocks, kBlocksPerBatch, &status);
    if (count == 0) break;
    for (size_t i = 0; i < count; ++i) {
      BlockInfo info = {blocks[i].start, blocks[i].bytes,
                        /*is_live=*/true, handle,
                        ThreadRegistry::IdOf(blocks[i].token)};
      if constexpr (kIsSecure) {
        const bool is_live = GuardedHeap::Correct(&info);
        if (!is_live || info.bytes < least_bytes) continue;
      }
      if (visit(context, info) != 0) return Status::kOk;
    }
  }
  if (handle != 0 || (least_bytes == 0 && !VisitZeroSize(visit, context))) {
    return status;
  }
  if constexpr (kIsSecure) VisitSampled(least_bytes, visit, context);
  return status;
}

}  // namespace myonly::internal
