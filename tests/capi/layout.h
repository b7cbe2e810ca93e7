/* The layout that programs are built against: on LP64 it is fixed for ever. C11
 * and C++17; the header comes first, as it must stand alone. */
#ifndef MYONLY_TESTS_CAPI_LAYOUT_H_
#define MYONLY_TESTS_CAPI_LAYOUT_H_

#include "myonly/myonly.h"

#ifdef __cplusplus
#define MYONLY_ASSERT static_assert
#else
#define MYONLY_ASSERT _Static_assert
#endif

#if defined(__LP64__)
#define MYONLY_AT(type, field, offset) \
  MYONLY_ASSERT(offsetof(type, field) == (offset), #field)

MYONLY_ASSERT(sizeof(myonly_arena_options) == 80, "options");
MYONLY_AT(myonly_arena_options, struct_size, 0);
MYONLY_AT(myonly_arena_options, version, 4);
MYONLY_AT(myonly_arena_options, name, 8);
MYONLY_AT(myonly_arena_options, flags, 16);
MYONLY_AT(myonly_arena_options, limit_bytes, 24);
MYONLY_AT(myonly_arena_options, soft_limit_bytes, 32);
MYONLY_AT(myonly_arena_options, reserve_bytes, 40);
MYONLY_AT(myonly_arena_options, parent, 48);
MYONLY_AT(myonly_arena_options, pages, 56);
MYONLY_AT(myonly_arena_options, on_pressure, 64);
MYONLY_AT(myonly_arena_options, ctx, 72);

MYONLY_ASSERT(sizeof(myonly_arena_stats_t) == 168, "stats");
MYONLY_AT(myonly_arena_stats_t, struct_size, 0);
MYONLY_AT(myonly_arena_stats_t, version, 4);
MYONLY_AT(myonly_arena_stats_t, name, 8);
MYONLY_AT(myonly_arena_stats_t, live_blocks, 40);
MYONLY_AT(myonly_arena_stats_t, live_bytes, 48);
MYONLY_AT(myonly_arena_stats_t, peak_live_bytes, 56);
MYONLY_AT(myonly_arena_stats_t, allocations, 64);
MYONLY_AT(myonly_arena_stats_t, frees, 72);
MYONLY_AT(myonly_arena_stats_t, reserved_bytes, 80);
MYONLY_AT(myonly_arena_stats_t, region_bytes, 88);
MYONLY_AT(myonly_arena_stats_t, large_bytes, 96);
MYONLY_AT(myonly_arena_stats_t, huge_bytes, 104);
MYONLY_AT(myonly_arena_stats_t, free_block_bytes, 112);
MYONLY_AT(myonly_arena_stats_t, limit_bytes, 120);
MYONLY_AT(myonly_arena_stats_t, resets, 128);
MYONLY_AT(myonly_arena_stats_t, charged_bytes, 136);
MYONLY_AT(myonly_arena_stats_t, soft_limit_bytes, 144);
MYONLY_AT(myonly_arena_stats_t, children, 152);
MYONLY_AT(myonly_arena_stats_t, refusals, 160);

MYONLY_ASSERT(sizeof(myonly_block_info) == 40, "block info");
MYONLY_AT(myonly_block_info, struct_size, 0);
MYONLY_AT(myonly_block_info, state, 4);
MYONLY_AT(myonly_block_info, start, 8);
MYONLY_AT(myonly_block_info, size, 16);
MYONLY_AT(myonly_block_info, arena, 24);
MYONLY_AT(myonly_block_info, thread, 32);

MYONLY_ASSERT(sizeof(myonly_walk_options) == 24, "walk options");
MYONLY_AT(myonly_walk_options, struct_size, 0);
MYONLY_AT(myonly_walk_options, version, 4);
MYONLY_AT(myonly_walk_options, flags, 8);
MYONLY_AT(myonly_walk_options, least_bytes, 16);
#endif

MYONLY_ASSERT(sizeof(myonly_status) == 4, "status");
MYONLY_ASSERT(MYONLY_OK == 0 && MYONLY_ERR_NOMEM == -1 &&
                  MYONLY_ERR_QUOTA == -2 && MYONLY_ERR_INVALID == -3 &&
                  MYONLY_ERR_UNSUPPORTED == -4 && MYONLY_ERR_BUSY == -5 &&
                  MYONLY_ERR_STALE == -6 && MYONLY_ERR_CORRUPT == -7 &&
                  MYONLY_ERR_OS == -8,
              "status codes");
MYONLY_ASSERT(MYONLY_DESTROY_FREE == 0 && MYONLY_DESTROY_REQUIRE_EMPTY == 1,
              "flags of destroy");

#endif /* MYONLY_TESTS_CAPI_LAYOUT_H_ */
