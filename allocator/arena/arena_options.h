// What an arena is made with, and what it tells about itself.
#ifndef MYONLY_ALLOCATOR_ARENA_ARENA_OPTIONS_H_
#define MYONLY_ALLOCATOR_ARENA_ARENA_OPTIONS_H_

#include <cstddef>
#include <cstdint>

#include "allocator/large/pressure.h"

namespace myonly::internal {

inline constexpr size_t kMaxArenaName = 31;

struct ArenaOptions {
  const char* name = "arena";  // copied; cut to kMaxArenaName bytes
  // The fields of myonly_arena_options, where they are explained.
  size_t limit_bytes = 0;
  size_t soft_limit_bytes = 0;
  size_t reserve_bytes = 0;
  bool exact_bytes = false;
  bool poisons_on_reset = false;
  uintptr_t parent = 0;  // a handle; 0 = none
  Pressure::Callback on_pressure = nullptr;
  void* ctx = nullptr;
};

// The fields of myonly_arena_stats_t, where they are explained.
struct ArenaStats {
  char name[kMaxArenaName + 1];
  uint64_t live_blocks;
  uint64_t live_bytes;
  uint64_t peak_live_bytes;
  uint64_t allocations;
  uint64_t frees;
  uint64_t region_bytes;
  uint64_t large_bytes;
  uint64_t huge_bytes;
  uint64_t huge_blocks;
  uint64_t free_block_bytes;
  uint64_t limit_bytes;
  uint64_t resets;
  uint64_t charged_bytes;
  uint64_t soft_limit_bytes;
  uint64_t children;
  uint64_t refusals;

  uint64_t reserved_bytes() const {
    return region_bytes + large_bytes + huge_bytes;
  }
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_ARENA_OPTIONS_H_
