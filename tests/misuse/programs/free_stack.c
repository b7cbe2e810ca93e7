// Freed is an address on the stack.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char local[256] __attribute__((aligned(16)));
  Fill(local, 0, sizeof(local));
  Choose(local, sizeof(local));
  Free(local + 64);
}
