// The word before a block becomes what it was before realloc made the block
// smaller; then the block is freed, while what is behind it is in use.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(4 * kMedium);
  char* wall = Get(kMedium);
  Watch(wall);
  const uintptr_t older = GetWord(block - 8, 0);
  Forget(block);
  block = Keep(Resize(block, kMedium), kMedium);
  Watch(Get(2 * kMedium));
  PutWord(block - 8, 0, older);
  Drop(block);
  Churn(4 * kMedium, 20, 20);
}
