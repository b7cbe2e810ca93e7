// A large block is resized after it was freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Drop(block);
  char* moved = Resize(block, 2 * kLarge);
  if (moved != NULL) Keep(moved, kLarge);
}
