// The words behind the last medium block become the largest number, then a
// block is wanted that would reach anything.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  char* last = Keep(block, 0) == NULL ? NULL : Get(kMedium);
  PutWord(last + UsableSize(last), 0, ~(uintptr_t)0);
  Churn(1 << 20, 2, 2);
  Churn(kMedium, 100, 100);
}
