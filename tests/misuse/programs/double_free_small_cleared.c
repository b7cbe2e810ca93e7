// Between two frees of a small block all of it is overwritten.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* other = Get(kSmall);
  char* block = Get(kSmall);
  Drop(block);
  Fill(block, 0, kSmall);
  Free(block);
  Drop(other);
}
