// A stale pointer is freed after the large block has been given to somebody
// else, who still uses it.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Drop(block);
  const int count = 20;
  for (int i = 0; i < count && Get(kLarge) != block; ++i) {
  }
  Free(block);
  Churn(kLarge, count, count);
}
