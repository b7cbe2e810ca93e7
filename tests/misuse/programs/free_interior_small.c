// Freed is an address inside of a small block, aligned as blocks are.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Forget(block);
  Keep(block, kSmall);
  Free(block + 16);
}
