/* The C example of README.md, as it is there. */
#include <stdio.h>

#include "myonly/myonly.h"

int main(void) {
  myonly_arena* arena;
  char* text;
  if (myonly_arena_create(NULL, &arena) != MYONLY_OK) return 1;
  text = myonly_arena_alloc(arena, 100);
  if (text == NULL) return 1;
  snprintf(text, 100, "a heap of its own, version %s", myonly_version_str());
  puts(text);
  /* Drops every block of the arena; myonly_free(text) would drop this one. */
  return myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) == MYONLY_OK ? 0 : 1;
}
