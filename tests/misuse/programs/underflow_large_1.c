// One byte is written before a large block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kLarge);
  char* block = Get(kLarge);
  char* after = Get(kLarge);
  Watch(before);
  Watch(after);
  Fill(block - 1, 'A', 1);
  Drop(block);
  Churn(kLarge, 20, 10);
}
