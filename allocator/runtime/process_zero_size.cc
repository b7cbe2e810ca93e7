// Blocks of no bytes of the default arena: malloc comes here as size class 0
// has no objects, free as they are in no run.

#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {
namespace {

ZeroSizeBlocks& blocks = process_globals.zero_size;

const char* WhyNotLive(const void* ptr) {
  return ZeroSizeBlocks::IsStart(ptr) ? "double free"
                                      : "free of an address inside a block";
}

}  // namespace

// Where requests are asked for first, it is one like others.
void* ProcessHeap::AllocateZeroSize() {
  return kChecksObjects && this_thread.gated == nullptr ? blocks.Allocate()
                                                        : nullptr;
}

void ProcessHeap::FreeZeroSize(const void* ptr) {
  if (!blocks.Free(ptr)) ReportMisuse(WhyNotLive(ptr), ptr);
}

size_t ProcessHeap::ZeroSizeOf(const void* ptr) {
  if (!blocks.IsLive(ptr)) ReportAndAbort(WhyNotLive(ptr), ptr);
  return 0;
}

void ProcessHeap::AddZeroSizeStats(ArenaStats* stats) {
  const uint64_t frees = blocks.frees();
  const uint64_t allocations = blocks.allocations();
  stats->allocations += allocations;
  stats->frees += frees;
  stats->live_blocks += allocations - frees;
}

}  // namespace myonly::internal
