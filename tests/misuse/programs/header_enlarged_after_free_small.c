// The word before a freed small block gets a larger size, then the size is
// wanted.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  char* after = Get(kSmall);
  Watch(after);
  Drop(block);
  PutWord(block - 8, 0, GetWord(block - 8, 0) + 2 * kSmall / 16 * 16);
  Churn(kSmall, 20, 20);
  Churn(3 * kSmall / 16 * 16 - 16, 20, 20);
}
