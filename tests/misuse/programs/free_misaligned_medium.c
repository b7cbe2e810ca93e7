// Freed is an address inside of a medium block at which no block can be.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Free(block + 1);
}
