/* Linked against libmyonlymalloc.so: the C API and malloc are the library's. */
#include <stdio.h>
#include <stdlib.h>

#include "myonly/myonly.h"

int main(void) {
  myonly_arena* owner = NULL;
  void* block = malloc(100);
  void* other = myonly_alloc(100);
  if (block == NULL || other == NULL) return 1;
  if (myonly_arena_of(block, &owner) != MYONLY_OK) return 2;
  if (myonly_is_process_allocator() != 1) return 3;
  /* One heap: either function frees either block. */
  free(other);
  myonly_free(block);
  puts(myonly_version_str());
  return 0;
}
