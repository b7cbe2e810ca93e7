/* Makes the call that its argument names before any constructor has run, so as
 * the first one of its program; libc may have made others before. Prints "good"
 * if it did what it should, and the heap works afterwards. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_good;

static int Use(char* block, size_t size) {
  if (block == NULL) return 0;
  block[0] = 1;
  block[size - 1] = 1;
  free(block);
  return 1;
}

static int IsRefused(size_t size) {
  errno = 0;
  return malloc(size) == NULL && errno == ENOMEM;
}

static int Aligned(size_t alignment, size_t size) {
  void* block = NULL;
  return posix_memalign(&block, alignment, size) == 0 &&
         (uintptr_t)block % alignment == 0 && Use(block, size);
}

static int FreesNull(void) {
  free(NULL);
  return 1;
}

static int Call(const char* name) {
  const size_t giga = (size_t)1 << 30;
  if (strcmp(name, "small") == 0) return Use(malloc(24), 24);
  if (strcmp(name, "zero") == 0) return free(malloc(0)), 1;
  if (strcmp(name, "large") == 0) return Use(malloc(300000), 300000);
  if (strcmp(name, "huge") == 0) return Use(malloc(giga), giga);
  if (strcmp(name, "too-large") == 0) return IsRefused(PTRDIFF_MAX);
  if (strcmp(name, "calloc") == 0) return Use(calloc(10, 10), 100);
  if (strcmp(name, "realloc") == 0) return Use(realloc(NULL, 5000), 5000);
  if (strcmp(name, "aligned") == 0) return Aligned((size_t)1 << 20, 100);
  if (strcmp(name, "free") == 0) return FreesNull();
  if (strcmp(name, "usable-size") == 0) return malloc_usable_size(NULL) == 0;
  if (strcmp(name, "trim") == 0) return malloc_trim(0) >= 0;
  return 0;
}

static void AtPreinit(int argc, char** argv, char** environment) {
  (void)environment;
  is_good = argc == 2 && Call(argv[1]);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(int, char**,
                                                   char**) = AtPreinit;

int main(void) {
  if (!is_good || !Use(malloc(100), 100) || !Use(malloc(100000), 100000)) {
    return 1;
  }
  puts("good");
  return 0;
}
