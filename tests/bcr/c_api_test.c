/* The C API from another project: depends on it, and overrides nothing. */
#include <stdio.h>
#include <string.h>

#include "myonly/myonly.h"

#define REQUIRE(condition)                                           \
  do {                                                               \
    if (!(condition)) {                                              \
      fprintf(stderr, "line %d: %s failed\n", __LINE__, #condition); \
      return 1;                                                      \
    }                                                                \
  } while (0)

int main(void) {
  myonly_arena* arena = NULL;
  myonly_arena* owner = NULL;
  char* text;

  REQUIRE(!myonly_is_process_allocator());
  REQUIRE(myonly_arena_create(NULL, &arena) == MYONLY_OK);
  text = (char*)myonly_arena_alloc(arena, 32);
  REQUIRE(text != NULL);
  strcpy(text, "from another project");
  REQUIRE(myonly_arena_of(text, &owner) == MYONLY_OK);
  REQUIRE(owner == arena);
  REQUIRE(myonly_arena_check(arena) == MYONLY_OK);
  REQUIRE(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY) ==
          MYONLY_ERR_BUSY);
  REQUIRE(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) == MYONLY_OK);
  return 0;
}
