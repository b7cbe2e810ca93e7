// The second word of freed medium blocks is cleared.
#include "tests/misuse/programs/harness.h"

enum { kCount = 8 };
static char* blocks[kCount];

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kMedium);
  for (int i = 0; i < kCount; ++i) Drop(blocks[i]);
  for (int i = 0; i < kCount; ++i) PutWord(blocks[i], 1, 0);
  Churn(kMedium, 200, 200);
}
