// A medium block is resized after it was freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Drop(block);
  char* moved = Resize(block, 2 * kMedium);
  if (moved != NULL) Keep(moved, kMedium);
}
