// A medium block is freed again after others have come and gone.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kMedium);
  char* block = Get(kMedium);
  char* after = Get(kMedium);
  Drop(block);
  Drop(before);
  Drop(after);
  Churn(2 * kMedium, 20, 0);
  Free(block);
}
