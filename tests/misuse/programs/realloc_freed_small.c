// A small block is resized after it was freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Drop(block);
  char* moved = Resize(block, 2 * kSmall);
  if (moved != NULL) Keep(moved, kSmall);
}
