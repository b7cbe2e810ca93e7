// A large block is freed twice in a row.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Drop(block);
  Free(block);
}
