/* An arena for requests: each one allocates as it likes and frees nothing;
 * when it is answered, one reset drops it all.
 *
 * Shows: reset keeps the pages, so the second request and the thousandth hold
 * no more memory than the first, whatever they leaked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "myonly/myonly.h"

enum { kRequests = 1000, kHeaders = 40 };

/* Builds an answer out of many small pieces, as servers do. NULL: no memory. */
static const char* Serve(myonly_arena* arena, int number) {
  char* answer = myonly_arena_calloc(arena, 1, 1);
  int i;
  for (i = 0; i < kHeaders && answer != NULL; ++i) {
    char* line = myonly_arena_alloc(arena, 64);
    size_t length;
    char* longer;
    if (line == NULL) return NULL;
    snprintf(line, 64, "header-%d: value %d of request %d\n", i, i, number);
    length = strlen(answer) + strlen(line) + 1;
    longer = myonly_arena_realloc(arena, answer, length);
    if (longer == NULL) return NULL;
    answer = strcat(longer, line);
  }
  return answer;
}

static void PrintStats(myonly_arena* arena, const char* when) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  if (myonly_arena_stats(arena, &stats) != MYONLY_OK) abort();
  printf("%-21s live blocks %4" PRIu64 ", live bytes %6" PRIu64
         ", reserved %" PRIu64 " KiB\n",
         when, stats.live_blocks, stats.live_bytes,
         stats.reserved_bytes / 1024);
}

int main(void) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  myonly_arena* arena;
  size_t answered = 0;
  int i;

  options.name = "request";
  options.limit_bytes = 4 << 20; /* one request can't eat the machine */
  if (myonly_arena_create(&options, &arena) != MYONLY_OK) return 1;

  for (i = 1; i <= kRequests; ++i) {
    const char* answer = Serve(arena, i);
    if (answer == NULL) {
      fprintf(stderr, "request %d: %s\n", i,
              myonly_status_str(myonly_last_status()));
      return 1;
    }
    answered += strlen(answer);
    if (i == 1 || i == kRequests) {
      PrintStats(arena, i == 1 ? "after request 1" : "after request 1000");
    }
    myonly_arena_reset(arena);
  }
  PrintStats(arena, "after the last reset");

  if (myonly_arena_stats(arena, &stats) != MYONLY_OK) return 1;
  printf("%d requests, %zu bytes answered, %" PRIu64 " allocations, %" PRIu64
         " resets\n",
         (int)kRequests, answered, stats.allocations, stats.resets);
  return myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) == MYONLY_OK ? 0 : 1;
}
