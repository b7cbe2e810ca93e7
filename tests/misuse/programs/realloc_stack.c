// An address on the stack is resized.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char local[256] __attribute__((aligned(16)));
  Fill(local, 0, sizeof(local));
  Choose(local, sizeof(local));
  char* moved = Resize(local + 64, 1000);
  if (moved != NULL) Keep(moved, 1000);
}
