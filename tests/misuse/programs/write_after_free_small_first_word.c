// The first word of freed small blocks becomes an address of the program.
#include "tests/misuse/programs/harness.h"

enum { kCount = 8 };
static char* blocks[kCount];

void Program(void) {
  char* fake = Fake();
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kSmall);
  for (int i = 0; i < kCount; ++i) Drop(blocks[i]);
  for (int i = 0; i < kCount; ++i) PutWord(blocks[i], 0, (uintptr_t)fake);
  Churn(kSmall, 200, 200);
}
