// Freed is the address of a global, before which a plausible size is written.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* fake = Fake();
  for (int size = 32; size <= 112; size += 16) {
    PutWord(fake - 8, 0, (uintptr_t)size | 1);
    PutWord(fake + size - 8, 0, 0x1001);
  }
  PutWord(fake - 8, 0, 0x41);
  Free(fake);
  Churn(0x38, 20, 20);
}
