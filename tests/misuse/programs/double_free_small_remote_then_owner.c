// A small block is freed by another thread, then by its owner.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Forget(block);
  InThread(Free, block);
  Free(block);
}
