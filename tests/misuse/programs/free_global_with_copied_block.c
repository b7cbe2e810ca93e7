// A small block is copied to a global with what lies around it; freed is the
// copy.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* fake = Fake();
  char* block = Get(kSmall);
  Copy(fake - 16, block - 16, 64);
  Free(fake);
  Churn(kSmall, 20, 20);
}
