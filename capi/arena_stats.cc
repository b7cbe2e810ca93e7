#include "capi/arena_stats.h"

#include <cstring>

#include "allocator/base/sizes.h"

namespace myonly::internal {

bool HasSize(const myonly_arena_stats_t* out) {
  return out != nullptr && out->struct_size >= sizeof(uint32_t) * 2;
}

void StoreStats(const ArenaStats& stats, myonly_arena_stats_t* out) {
  myonly_arena_stats_t full = MYONLY_ARENA_STATS_INIT;
  full.struct_size = out->struct_size;
  strncpy(full.name, stats.name, sizeof(full.name) - 1);
  full.live_blocks = stats.live_blocks;
  full.live_bytes = stats.live_bytes;
  full.peak_live_bytes = stats.peak_live_bytes;
  full.allocations = stats.allocations;
  full.frees = stats.frees;
  full.reserved_bytes = stats.reserved_bytes();
  full.region_bytes = stats.region_bytes;
  full.large_bytes = stats.large_bytes;
  full.huge_bytes = stats.huge_bytes;
  full.free_block_bytes = stats.free_block_bytes;
  full.limit_bytes = stats.limit_bytes;
  full.resets = stats.resets;
  full.charged_bytes = stats.charged_bytes;
  full.soft_limit_bytes = stats.soft_limit_bytes;
  full.children = stats.children;
  full.refusals = stats.refusals;
  const size_t size = out->struct_size;
  if (size > sizeof(full)) {
    memset(reinterpret_cast<char*>(out) + sizeof(full), 0, size - sizeof(full));
  }
  memcpy(out, &full, Min(size, sizeof(full)));
}

}  // namespace myonly::internal
