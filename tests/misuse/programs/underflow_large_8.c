// 8 bytes are written before a large block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kLarge);
  char* block = Get(kLarge);
  char* after = Get(kLarge);
  Watch(before);
  Watch(after);
  Fill(block - 8, 'A', 8);
  Drop(block);
  Churn(kLarge, 20, 10);
}
