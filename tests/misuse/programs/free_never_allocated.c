// Freed is an address that the heap might have, at which nothing was allocated.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Free(block + 48 * 300);
  Churn(kSmall, 2000, 2000);
}
