// The first two words of a freed small block become addresses of the program.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* fake = Fake();
  char* block = Get(kSmall);
  Drop(block);
  PutWord(block, 0, (uintptr_t)fake);
  PutWord(block, 1, (uintptr_t)fake);
  Churn(kSmall, 200, 200);
}
