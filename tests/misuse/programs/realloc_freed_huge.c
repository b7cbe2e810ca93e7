// A huge block is resized after it was freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kHuge);
  Drop(block);
  char* moved = Resize(block, 2 * kHuge);
  if (moved != NULL) Keep(moved, kHuge);
}
