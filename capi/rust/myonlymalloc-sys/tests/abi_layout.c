/* Prints the layout that the C header gives each struct, and the value of each
 * constant, as abi_test.rs prints its own. */
#include <stddef.h>
#include <stdio.h>

#include "myonly/myonly.h"
#include "myonly/testing.h"

#define SIZE(type) printf(#type " %zu\n", sizeof(type))
#define FIELD(type, field) \
  printf(#type "." #field " %zu\n", offsetof(type, field))
#define VALUE(name) printf(#name " %lld\n", (long long)(name))

int main(void) {
  SIZE(myonly_status);
  SIZE(myonly_arena_options);
  FIELD(myonly_arena_options, struct_size);
  FIELD(myonly_arena_options, version);
  FIELD(myonly_arena_options, name);
  FIELD(myonly_arena_options, flags);
  FIELD(myonly_arena_options, limit_bytes);
  FIELD(myonly_arena_options, soft_limit_bytes);
  FIELD(myonly_arena_options, reserve_bytes);
  FIELD(myonly_arena_options, parent);
  FIELD(myonly_arena_options, pages);
  FIELD(myonly_arena_options, on_pressure);
  FIELD(myonly_arena_options, ctx);
  SIZE(myonly_arena_stats_t);
  FIELD(myonly_arena_stats_t, struct_size);
  FIELD(myonly_arena_stats_t, version);
  FIELD(myonly_arena_stats_t, name);
  FIELD(myonly_arena_stats_t, live_blocks);
  FIELD(myonly_arena_stats_t, live_bytes);
  FIELD(myonly_arena_stats_t, peak_live_bytes);
  FIELD(myonly_arena_stats_t, allocations);
  FIELD(myonly_arena_stats_t, frees);
  FIELD(myonly_arena_stats_t, reserved_bytes);
  FIELD(myonly_arena_stats_t, region_bytes);
  FIELD(myonly_arena_stats_t, large_bytes);
  FIELD(myonly_arena_stats_t, huge_bytes);
  FIELD(myonly_arena_stats_t, free_block_bytes);
  FIELD(myonly_arena_stats_t, limit_bytes);
  FIELD(myonly_arena_stats_t, resets);
  FIELD(myonly_arena_stats_t, charged_bytes);
  FIELD(myonly_arena_stats_t, soft_limit_bytes);
  FIELD(myonly_arena_stats_t, children);
  FIELD(myonly_arena_stats_t, refusals);
  SIZE(myonly_page_source);
  FIELD(myonly_page_source, struct_size);
  FIELD(myonly_page_source, version);
  FIELD(myonly_page_source, ctx);
  FIELD(myonly_page_source, reserve);
  FIELD(myonly_page_source, purge);
  FIELD(myonly_page_source, release);
  SIZE(myonly_block_info);
  FIELD(myonly_block_info, struct_size);
  FIELD(myonly_block_info, state);
  FIELD(myonly_block_info, start);
  FIELD(myonly_block_info, size);
  FIELD(myonly_block_info, arena);
  FIELD(myonly_block_info, thread);
  SIZE(myonly_walk_options);
  FIELD(myonly_walk_options, struct_size);
  FIELD(myonly_walk_options, version);
  FIELD(myonly_walk_options, flags);
  FIELD(myonly_walk_options, least_bytes);
  SIZE(myonly_fault_options);
  FIELD(myonly_fault_options, struct_size);
  FIELD(myonly_fault_options, version);
  FIELD(myonly_fault_options, seed);
  FIELD(myonly_fault_options, fail_nth);
  FIELD(myonly_fault_options, probability);
  FIELD(myonly_fault_options, above_bytes);
  FIELD(myonly_fault_options, count);
  VALUE(MYONLY_OK);
  VALUE(MYONLY_ERR_NOMEM);
  VALUE(MYONLY_ERR_QUOTA);
  VALUE(MYONLY_ERR_INVALID);
  VALUE(MYONLY_ERR_UNSUPPORTED);
  VALUE(MYONLY_ERR_BUSY);
  VALUE(MYONLY_ERR_STALE);
  VALUE(MYONLY_ERR_CORRUPT);
  VALUE(MYONLY_ERR_OS);
  VALUE(MYONLY_VERSION_MAJOR);
  VALUE(MYONLY_VERSION_MINOR);
  VALUE(MYONLY_VERSION_PATCH);
  VALUE(MYONLY_ABI_VERSION);
  VALUE(MYONLY_DESTROY_FREE);
  VALUE(MYONLY_DESTROY_REQUIRE_EMPTY);
  VALUE(MYONLY_ARENA_EXACT_BYTES);
  VALUE(MYONLY_ARENA_POISON_ON_RESET);
  VALUE(MYONLY_PRESSURE_SOFT);
  VALUE(MYONLY_PRESSURE_RELIEVED);
  VALUE(MYONLY_PRESSURE_LIMIT);
  VALUE(MYONLY_BLOCK_LIVE);
  VALUE(MYONLY_BLOCK_FREE);
  VALUE(MYONLY_FORMAT_TEXT);
  VALUE(MYONLY_FORMAT_JSON);
  VALUE(MYONLY_FORMAT_PROMETHEUS);
  VALUE(MYONLY_NO_ALLOC_REFUSE);
  VALUE(MYONLY_NO_ALLOC_ABORT);
  return 0;
}
