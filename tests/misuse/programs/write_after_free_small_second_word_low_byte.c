// The lowest byte of the second word of a freed small block changes.
#include "tests/misuse/programs/harness.h"

enum { kCount = 8 };
static char* blocks[kCount];

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kSmall);
  for (int i = 0; i < kCount; ++i) Drop(blocks[i]);
  for (int i = 0; i < kCount; ++i) Fill(blocks[i] + 8, 0, 1);
  Churn(kSmall, 200, 200);
}
