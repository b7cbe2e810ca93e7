// 256 bytes are written before a small block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kSmall);
  char* block = Get(kSmall);
  char* after = Get(kSmall);
  Watch(before);
  Watch(after);
  Fill(block - 256, 'A', 256);
  Drop(block);
  Churn(kSmall, 20, 10);
}
