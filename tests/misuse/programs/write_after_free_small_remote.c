// Blocks that another thread has freed are overwritten before their owner has
// them back.
#include "tests/misuse/programs/harness.h"

enum { kCount = 200 };
static char* blocks[kCount];

static void FreeAll(void* unused) {
  (void)unused;
  for (int i = 0; i < kCount; ++i) Free(blocks[i]);
}

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kSmall);
  for (int i = 0; i < kCount; ++i) Forget(blocks[i]);
  InThread(FreeAll, NULL);
  for (int i = 0; i < kCount; ++i) Fill(blocks[i], 'A', kSmall);
  Churn(kSmall, 4000, 2000);
}
