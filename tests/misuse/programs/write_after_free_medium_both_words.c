// The first two words of a freed medium block become addresses of the program.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* fake = Fake();
  char* block = Get(kMedium);
  Drop(block);
  PutWord(block, 0, (uintptr_t)fake);
  PutWord(block, 1, (uintptr_t)fake);
  Churn(kMedium, 200, 200);
}
