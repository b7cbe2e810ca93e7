// The first word of freed small blocks is cleared.
#include "tests/misuse/programs/harness.h"

enum { kCount = 8 };
static char* blocks[kCount];

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kSmall);
  for (int i = 0; i < kCount; ++i) Drop(blocks[i]);
  for (int i = 0; i < kCount; ++i) PutWord(blocks[i], 0, 0);
  Churn(kSmall, 200, 200);
}
