// The word before a freed medium block gets a larger size, then the size is
// wanted.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  char* after = Get(kMedium);
  Watch(after);
  Drop(block);
  PutWord(block - 8, 0, GetWord(block - 8, 0) + 2 * kMedium / 16 * 16);
  Churn(kMedium, 20, 20);
  Churn(3 * kMedium / 16 * 16 - 16, 20, 20);
}
