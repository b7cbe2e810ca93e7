// 256 bytes are written before a medium block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kMedium);
  char* block = Get(kMedium);
  char* after = Get(kMedium);
  Watch(before);
  Watch(after);
  Fill(block - 256, 'A', 256);
  Drop(block);
  Churn(kMedium, 20, 10);
}
