// The word before a block says that a free one of the program's choice precedes
// it.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(kMedium);
  char* block = Get(kMedium);
  Watch(before);
  PutWord(block - 8, 0, GetWord(block - 8, 0) & ~(uintptr_t)1);
  PutWord(block - 16, 0, 2048);
  Drop(block);
  Churn(4096, 40, 40);
}
