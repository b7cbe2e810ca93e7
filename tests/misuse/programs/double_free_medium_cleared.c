// Between two frees of a medium block all of it is overwritten.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* other = Get(kMedium);
  char* block = Get(kMedium);
  Drop(block);
  Fill(block, 0, kMedium);
  Free(block);
  Drop(other);
}
