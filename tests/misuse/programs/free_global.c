// Freed is the address of a global.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* fake = Fake();
  Free(fake);
}
