// Between two frees of a small block its second word is overwritten, where
// some allocators have a mark of what is free.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Drop(block);
  PutWord(block, 1, 0);
  Free(block);
}
