// A block with an alignment of a page is freed twice.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  void* block = NULL;
  if (posix_memalign(&block, kPage, kPage) != 0) return;
  Free(block);
  Free(block);
}
