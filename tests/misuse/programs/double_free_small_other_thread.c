// A small block is freed by its owner, then by another thread.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Drop(block);
  InThread(Free, block);
}
