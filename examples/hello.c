/* The C API in ten lines: a block of the process heap, a block of an arena. */
#include <stdio.h>
#include <string.h>

#include "myonly/myonly.h"

int main(void) {
  char* text = myonly_alloc(64);
  myonly_arena* arena;
  char* copy;
  if (text == NULL || myonly_arena_create(NULL, &arena) != MYONLY_OK) return 1;
  strcpy(text, "hello from MyAndOnlyMalloc");
  copy = myonly_arena_alloc(arena, strlen(text) + 1);
  if (copy == NULL) return 1;
  strcpy(copy, text);
  printf("%s %s\n", copy, myonly_version_str());
  myonly_arena_destroy(arena, MYONLY_DESTROY_FREE); /* frees copy as well */
  myonly_free(text);
  return 0;
}
