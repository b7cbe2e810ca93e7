// Two threads free the same small block of a third one at the same time.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  for (int i = 0; i < 20; ++i) {
    char* block = Get(kSmall);
    Forget(block);
    InTwoThreads(Free, block);
  }
}
