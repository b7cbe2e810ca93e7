// Freed is an address inside of a large block at which no block can be.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Free(block + 1);
}
