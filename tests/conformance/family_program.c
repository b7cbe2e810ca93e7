// Runs all assertions on the malloc family and prints how many there are.
//
//   family_program FILE [limited]
//
// FILE gets the last line, as standard output may be closed. `limited`: the
// caller limits addresses. Exit status 0 if all hold.
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/conformance/family_checks.h"

int addresses_are_limited;
static int log_fd = -1;
static int assertions;
static int failures;

void Assert(int holds, const char* what, const char* file, int line) {
  const int kept = errno;
  ++assertions;
  if (!holds) {
    ++failures;
    dprintf(log_fd, "%s:%d: does not hold: %s\n", file, line, what);
  }
  errno = kept;
}

size_t Hide(size_t value) {
  __asm__ volatile("" : "+r"(value));
  return value;
}

int ErrnoNow(void) { return errno; }

int IsAligned(const void* block, size_t alignment) {
  return (uintptr_t)block % alignment == 0;
}

int IsZero(const void* block, size_t bytes) {
  const unsigned char* at = (const unsigned char*)block;
  return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

int IsWhole(void* block, size_t bytes) {
  if (block == NULL) return 0;
  const size_t usable = malloc_usable_size(block);
  if (usable < bytes) return 0;
  unsigned char* at = (unsigned char*)block;
  memset(at, 0xa5, usable);
  if (usable != 0 && (at[0] != 0xa5 || memcmp(at, at + 1, usable - 1) != 0)) {
    return 0;
  }
  return malloc_usable_size(block) == usable;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  addresses_are_limited = argc > 2;
  log_fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (log_fd < 0) return 2;
  CheckAllocating();
  CheckResizing();
  CheckAligned();
  CheckQuestions();
  CheckLibraryResults();
  CheckOperators();
  CheckFreeing();  // last: system calls fail from there on
  dprintf(log_fd, "%d assertions, %d failures\n", assertions, failures);
  return failures == 0 ? 0 : 1;
}
