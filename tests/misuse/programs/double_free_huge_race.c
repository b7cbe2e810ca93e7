// Two threads free the same huge block at the same time.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  for (int i = 0; i < 60; ++i) {
    char* block = Get(kHuge);
    Forget(block);
    InTwoThreads(Free, block);
  }
}
