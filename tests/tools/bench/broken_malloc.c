/* A library that breaks malloc after some calls, as MYONLY_TEST_BROKEN says:
 * "abort" (SIGABRT), "crash" (SIGSEGV), "sleep" (a minute), "write" (the
 * last byte of every tenth block is changed by the next call). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void* __libc_malloc(size_t size);
void* malloc(size_t size);

static const char* mode;
static volatile uintptr_t nowhere =
    8; /* the compiler must not see through it */
static unsigned long calls;
static unsigned char* previous;
static size_t previous_size;

/* getenv doesn't allocate. */
static void Break(void) {
  if (mode == NULL) mode = getenv("MYONLY_TEST_BROKEN");
  if (mode == NULL) mode = "";
  if (strcmp(mode, "abort") == 0) abort();
  if (strcmp(mode, "crash") == 0) *(volatile int*)nowhere = 1;
  if (strcmp(mode, "sleep") == 0) sleep(60);
  /* A small block may be free by now and hold libc's own links. */
  if (strcmp(mode, "write") == 0 && previous != NULL && previous_size > 32) {
    previous[previous_size - 1] ^= 0x5a;
  }
}

void* malloc(size_t size) {
  if (++calls > 1000 && calls % 10 == 0) Break();
  previous = __libc_malloc(size);
  previous_size = size;
  return previous;
}
