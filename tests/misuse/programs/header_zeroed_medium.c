// The word before a live medium block is cleared, then the block is freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kMedium);
  char* block = Get(kMedium);
  PutWord(block - 8, 0, 0);
  Drop(block);
  Drop(before);
}
