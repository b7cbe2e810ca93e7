// A block is freed with an alignment that its address does not have.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

typedef void FreeAlignedSized(void* ptr, size_t alignment, size_t size);

void Program(void) {
  FreeAlignedSized* free_aligned_sized =
      (FreeAlignedSized*)Function("free_aligned_sized");
  if (free_aligned_sized == NULL) Unsupported();
  for (int i = 0; i < 8; ++i) {
    free_aligned_sized(aligned_alloc(64, 128), 1 << 20, 128);
  }
}
