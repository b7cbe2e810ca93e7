/* The header as a C11 program sees it, compiled with -pedantic -Werror. Also
 * compiled as C++17, by header_cpp17_test.cc. */
#include "tests/capi/layout.h"
/* Twice: it is guarded. */
#include <stdio.h>
#include <string.h>

#include "myonly/myonly.h"

static int failures = 0;

static void Expect(int condition, const char* text) {
  if (condition) return;
  ++failures;
  fprintf(stderr, "failed: %s\n", text);
}
#define EXPECT(condition) Expect((condition) ? 1 : 0, #condition)

int main(void) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  myonly_arena* arena = NULL;
  void* block;

  EXPECT(options.struct_size == sizeof(options));
  EXPECT(options.version == 0 && options.name == NULL && options.ctx == NULL);
  EXPECT(stats.struct_size == sizeof(stats));
  EXPECT(stats.version == 0 && stats.resets == 0);
  EXPECT(myonly_version() == ((uint32_t)MYONLY_VERSION_MAJOR << 16 |
                              (uint32_t)MYONLY_VERSION_MINOR << 8 |
                              (uint32_t)MYONLY_VERSION_PATCH));
  EXPECT(strcmp(myonly_version_str(), MYONLY_VERSION_STRING) == 0);
  EXPECT(myonly_abi_version() == MYONLY_ABI_VERSION);

  options.name = "c11";
  EXPECT(myonly_arena_create(&options, &arena) == MYONLY_OK);
  block = myonly_arena_alloc(arena, 100);
  EXPECT(block != NULL);
  EXPECT(myonly_arena_stats(arena, &stats) == MYONLY_OK);
  EXPECT(stats.live_blocks == 1 && strcmp(stats.name, "c11") == 0);
  myonly_free(block);
  EXPECT(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY) ==
         MYONLY_OK);
  return failures == 0 ? 0 : 1;
}
