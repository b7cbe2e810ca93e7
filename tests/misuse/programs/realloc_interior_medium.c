// An address inside of a block is resized.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  char* moved = Resize(block + 64, 2 * kMedium);
  if (moved != NULL) Keep(moved, kMedium);
}
