// A medium block is freed twice by another thread.
#include "tests/misuse/programs/harness.h"

static void FreeTwice(void* block) {
  Free(block);
  Free(block);
}

void Program(void) {
  char* block = Get(kMedium);
  Forget(block);
  InThread(FreeTwice, block);
}
