// A large block is freed with a smaller size.
#include "tests/misuse/programs/harness.h"

typedef void FreeSized(void* ptr, size_t size);

void Program(void) {
  FreeSized* free_sized = (FreeSized*)Function("free_sized");
  if (free_sized == NULL) Unsupported();
  char* block = Get(kLarge);
  Forget(block);
  free_sized(block, 1);
}
