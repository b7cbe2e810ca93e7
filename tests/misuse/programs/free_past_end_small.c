// Freed is the address where a small block ends.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(48);
  Free(block + 48 + 4096);
}
