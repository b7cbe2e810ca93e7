// Freed is an address inside of a medium block, aligned as blocks are.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Forget(block);
  Keep(block, kMedium);
  Free(block + 16);
}
