// The word before a live small block gets a larger size, then the block is
// freed and the size wanted.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  char* after = Get(kSmall);
  Watch(after);
  PutWord(block - 8, 0, GetWord(block - 8, 0) + 2 * kSmall / 16 * 16);
  Drop(block);
  Churn(3 * kSmall / 16 * 16 - 16, 20, 20);
}
