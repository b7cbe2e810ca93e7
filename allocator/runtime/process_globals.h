// All mutable globals of the library, but for those of a thread. They are
// constant-initialised and never destroyed: no constructor runs at start, and
// allocating works until the process is gone.
#ifndef MYONLY_ALLOCATOR_RUNTIME_PROCESS_GLOBALS_H_
#define MYONLY_ALLOCATOR_RUNTIME_PROCESS_GLOBALS_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "absl/base/attributes.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/blocks/quick_lists.h"
#include "allocator/guard/zero_size_blocks.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/runtime/own_memory.h"
#include "allocator/threads/thread_registry.h"

namespace myonly::internal {

// A number that another process can't guess.
ABSL_ATTRIBUTE_COLD uint64_t RandomSeed();
// One of a process and of no other heap in it: no header that is left of one
// heap passes in another, or in the next one in the same memory.
ABSL_ATTRIBUTE_COLD uint64_t NewHeapSeed();

// In the order in which each uses those above it.
struct ProcessGlobals {
  MmapPageSource pages;
  MetadataAllocator metadata{pages};
  RunPool runs{pages};
  HugeMappings huge{pages, metadata};
  QuickLists default_quick;
  Arena default_arena{runs, huge, NewHeapSeed, "process", &default_quick};
  ThreadRegistry threads{metadata, runs, huge, default_arena, NewHeapSeed};
  ArenaRegistry registry{pages, metadata, runs, huge, NewHeapSeed};
  OwnMemory own{metadata, huge, registry, NewHeapSeed};
  ZeroSizeBlocks zero_size{pages};
  // A block stayed larger than its kind is when realloc made it smaller, as
  // there was no memory for less: whoever frees it says the smaller size.
  std::atomic<bool> has_oversized{false};
  // A thread beside the first one has asked for memory.
  std::atomic<bool> expects_threads{false};
};
static_assert(std::is_trivially_destructible<ProcessGlobals>::value,
              "nothing is destroyed at exit");

// Hidden, as -fvisibility does not make it for a declaration: its members are
// operands then, without its address in a register.
extern __attribute__((visibility("hidden"))) ProcessGlobals process_globals;

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_PROCESS_GLOBALS_H_
