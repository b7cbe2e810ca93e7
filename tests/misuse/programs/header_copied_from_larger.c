// The word before a block becomes the one before a larger block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* larger = Get(4 * kMedium);
  char* block = Get(kMedium);
  char* after = Get(kMedium);
  Watch(after);
  Copy(block - 8, larger - 8, 8);
  Drop(block);
  Churn(4 * kMedium, 20, 20);
}
