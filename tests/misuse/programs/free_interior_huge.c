// Freed is an address inside of a huge block, aligned as blocks are.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kHuge);
  Forget(block);
  Keep(block, kHuge);
  Free(block + 16);
}
