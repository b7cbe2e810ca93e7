// A stale pointer is freed after the medium block has been given to somebody
// else, who still uses it.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Drop(block);
  const int count = 20;
  for (int i = 0; i < count && Get(kMedium) != block; ++i) {
  }
  Free(block);
  Churn(kMedium, count, count);
}
