#include <stdio.h>

#include "myonly/myonly.h"

/* An arena per request: within its limit, and all of it gone at the end. */
static int serve(int number) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena* arena;
  char* text;
  options.limit_bytes = 1 << 20;
  if (myonly_arena_create(&options, &arena) != MYONLY_OK) return 503;
  text = myonly_arena_alloc(arena, 100);
  if (text != NULL) snprintf(text, 100, "answer to request %d", number);
  if (text != NULL) puts(text);
  myonly_arena_destroy(arena, MYONLY_DESTROY_FREE);
  return text != NULL ? 200 : 507;
}

int main(void) { return serve(1) == 200 && serve(2) == 200 ? 0 : 1; }
