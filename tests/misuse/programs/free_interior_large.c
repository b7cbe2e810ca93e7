// Freed is an address inside of a large block, aligned as blocks are.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Forget(block);
  Keep(block, kLarge);
  Free(block + 16);
}
