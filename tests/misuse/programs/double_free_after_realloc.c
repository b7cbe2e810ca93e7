// realloc has moved the block; the old address is freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  char* wall = Get(kMedium);
  Forget(block);
  char* moved = Resize(block, kHuge);
  Keep(moved, kHuge);
  if (moved != block) Free(block);
  Drop(wall);
}
