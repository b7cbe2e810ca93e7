// One byte is written behind what a large block may hold.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kLarge);
  char* block = Get(kLarge);
  char* after = Get(kLarge);
  Watch(before);
  Watch(after);
  Fill(block + UsableSize(block), 'A', 1);
  Drop(block);
  Churn(kLarge, 20, 10);
}
