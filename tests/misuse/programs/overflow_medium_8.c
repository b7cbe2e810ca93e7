// 8 bytes are written behind what a medium block may hold.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kMedium);
  char* block = Get(kMedium);
  char* after = Get(kMedium);
  Watch(before);
  Watch(after);
  Fill(block + UsableSize(block), 'A', 8);
  Drop(block);
  Churn(kMedium, 20, 10);
}
