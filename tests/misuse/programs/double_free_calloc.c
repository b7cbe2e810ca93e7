// A zeroed block is freed twice.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  void* block = calloc(10, 10);
  Free(block);
  Free(block);
}
