// The words behind the last small block become the largest number, then a block
// is wanted that would reach anything.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  char* last = Keep(block, 0) == NULL ? NULL : Get(kSmall);
  PutWord(last + UsableSize(last), 0, ~(uintptr_t)0);
  Churn(1 << 20, 2, 2);
  Churn(kSmall, 100, 100);
}
