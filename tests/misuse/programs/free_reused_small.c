// A stale pointer is freed after the small block has been given to somebody
// else, who still uses it.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Drop(block);
  const int count = 4000;
  for (int i = 0; i < count && Get(kSmall) != block; ++i) {
  }
  Free(block);
  Churn(kSmall, count, count);
}
