// One byte behind a block is cleared, then both neighbours are freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium + 0x38);
  char* after = Get(kMedium + 0x38);
  char* wall = Get(kMedium);
  Watch(wall);
  Fill(block + UsableSize(block), 0, 1);
  Drop(after);
  Drop(block);
  Churn(2 * kMedium, 40, 40);
}
