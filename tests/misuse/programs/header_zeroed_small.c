// The word before a live small block is cleared, then the block is freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kSmall);
  char* block = Get(kSmall);
  PutWord(block - 8, 0, 0);
  Drop(block);
  Drop(before);
}
