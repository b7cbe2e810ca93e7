/* Misuses an arena's memory in the way that its argument names, for
 * valgrind_arenas_test. */
#include <stddef.h>
#include <string.h>

#include "myonly/myonly.h"

__attribute__((noinline)) void touch_byte(volatile char* byte);
void touch_byte(volatile char* byte) { *byte = 2; }

/* Uses of all kinds, none of them wrong. */
static int Use(myonly_arena* arena, size_t size) {
  void* batch[20];
  char* block = myonly_arena_alloc(arena, size);
  char* zero = myonly_arena_calloc(arena, 2, size);
  size_t i;
  if (block == NULL || zero == NULL) return 0;
  memset(block, 1, size);
  for (i = 0; i < 2 * size; ++i) {
    if (zero[i] != 0) return 0;
  }
  block = myonly_arena_realloc(arena, block, 3 * size);
  if (block == NULL || block[size - 1] != 1) return 0;
  memset(block, 2, myonly_usable_size(block));
  if (myonly_arena_alloc_batch(arena, size, batch, 20) != 20) return 0;
  for (i = 0; i < 20; ++i) memset(batch[i], 3, size);
  myonly_free_batch(batch, 20);
  myonly_free(block);
  return 1;
}

int main(int argc, char** argv) {
  static const size_t kSizes[] = {20, 100, 5001, 100001};
  size_t i;
  if (argc != 2) return 2;
  for (i = 0; i < 4; ++i) {
    const size_t size = kSizes[i];
    myonly_arena* arena;
    char* block = NULL;
    int number;
    if (myonly_arena_create(NULL, &arena) != MYONLY_OK) return 3;
    for (number = 0; number < 200; ++number) {
      block = myonly_arena_alloc(arena, size);
    }
    if (block == NULL || !Use(arena, size)) return 4;
    touch_byte(block + size - 1);
    if (strcmp(argv[1], "behind") == 0) touch_byte(block + size);
    if (strcmp(argv[1], "freed") == 0) {
      myonly_free(block);
      touch_byte(block);
      touch_byte(block + size / 2);
    }
    if (myonly_arena_reset(arena) != MYONLY_OK) return 5;
    if (strcmp(argv[1], "reset") == 0) touch_byte(block);
    if (!Use(arena, size) || myonly_arena_check(arena) != MYONLY_OK) return 6;
    block = myonly_arena_alloc(arena, size);
    if (myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) != MYONLY_OK) return 7;
    if (strcmp(argv[1], "destroyed") == 0) touch_byte(block);
  }
  return 0;
}
