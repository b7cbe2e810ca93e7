// From the allocator's statistics to the C struct.
#ifndef MYONLY_CAPI_ARENA_STATS_H_
#define MYONLY_CAPI_ARENA_STATS_H_

#include "allocator/arena/arena_options.h"
#include "allocator/base/status.h"
#include "myonly/myonly.h"

namespace myonly::internal {

// Whether the caller's struct has a size.
bool HasSize(const myonly_arena_stats_t* out);

// Stores as much as the caller's struct has room for; zeros in what it knows
// and we don't.
void StoreStats(const ArenaStats& stats, myonly_arena_stats_t* out);

}  // namespace myonly::internal

#endif  // MYONLY_CAPI_ARENA_STATS_H_
