// A small block is freed again after others have come and gone.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kSmall);
  char* block = Get(kSmall);
  char* after = Get(kSmall);
  Drop(block);
  Drop(before);
  Drop(after);
  Churn(2 * kSmall, 20, 0);
  Free(block);
}
