// Freed is an address inside of a block, before which stand the bytes that
// stand before the block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Copy(block + 512 - 32, block - 32, 32);
  Free(block + 512);
  Churn(kMedium, 20, 20);
}
