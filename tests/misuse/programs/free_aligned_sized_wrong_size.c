// An aligned block is freed with a wrong size.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

typedef void FreeAlignedSized(void* ptr, size_t alignment, size_t size);

void Program(void) {
  FreeAlignedSized* free_aligned_sized =
      (FreeAlignedSized*)Function("free_aligned_sized");
  if (free_aligned_sized == NULL) Unsupported();
  free_aligned_sized(aligned_alloc(64, 128), 64, 4096);
}
