// A small block is freed with a larger size.
#include "tests/misuse/programs/harness.h"

typedef void FreeSized(void* ptr, size_t size);

void Program(void) {
  FreeSized* free_sized = (FreeSized*)Function("free_sized");
  if (free_sized == NULL) Unsupported();
  char* block = Get(kSmall);
  Forget(block);
  free_sized(block, 4 * kSmall);
}
