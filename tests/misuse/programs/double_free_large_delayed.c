// A large block is freed again after others have come and gone.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kLarge);
  char* block = Get(kLarge);
  char* after = Get(kLarge);
  Drop(block);
  Drop(before);
  Drop(after);
  Churn(2 * kLarge, 20, 0);
  Free(block);
}
