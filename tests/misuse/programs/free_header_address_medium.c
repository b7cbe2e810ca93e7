// Freed is the address of what stands before a block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Free(block - 16);
}
