// One byte is written behind what a small block may hold.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kSmall);
  char* block = Get(kSmall);
  char* after = Get(kSmall);
  Watch(before);
  Watch(after);
  Fill(block + UsableSize(block), 'A', 1);
  Drop(block);
  Churn(kSmall, 20, 10);
}
