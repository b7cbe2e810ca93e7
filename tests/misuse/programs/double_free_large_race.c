// Two threads free the same large block at the same time.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  for (int i = 0; i < 60; ++i) {
    char* block = Get(kLarge);
    Forget(block);
    InTwoThreads(Free, block);
  }
}
