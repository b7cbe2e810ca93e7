// The size of a freed block is asked for.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Drop(block);
  UsableSize(block);
}
