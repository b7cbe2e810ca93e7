// Between two frees of a small block its first word is overwritten.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Drop(block);
  PutWord(block, 0, 0);
  Free(block);
}
