// Freed is a page inside of a large block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Free(block + 8 * kPage);
}
