// Freed is the start of a mapping of the program.
#include <sys/mman.h>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* pages = mmap(NULL, 1 << 23, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Choose(pages, 1 << 23);
  Free(pages);
}
