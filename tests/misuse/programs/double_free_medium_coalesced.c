// The block has gone up in a free neighbour when it is freed again.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kMedium);
  char* block = Get(kMedium);
  char* after = Get(kMedium);
  Drop(before);
  Drop(after);
  Drop(block);
  Churn(kLarge, 4, 0);
  Churn(60000, 40, 0);
  Free(block);
}
