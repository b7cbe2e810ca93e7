// Freed is an address inside of a small block at which no block can be.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Free(block + 1);
}
