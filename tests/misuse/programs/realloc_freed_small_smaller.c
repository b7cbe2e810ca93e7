// A small block is made smaller after it was freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(200);
  Drop(block);
  char* moved = Resize(block, 16);
  if (moved != NULL) Keep(moved, 16);
}
