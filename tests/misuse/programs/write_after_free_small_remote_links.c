// The links of blocks that another thread has freed become addresses of the
// program before their owner has them back.
#include "tests/misuse/programs/harness.h"

enum { kCount = 200 };
static char* blocks[kCount];

static void FreeAll(void* unused) {
  (void)unused;
  for (int i = 0; i < kCount; ++i) Free(blocks[i]);
}

void Program(void) {
  char* fake = Fake();
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kSmall);
  for (int i = 0; i < kCount; ++i) Forget(blocks[i]);
  InThread(FreeAll, NULL);
  for (int i = 0; i < kCount; ++i) {
    PutWord(blocks[i], 0, (uintptr_t)fake);
    PutWord(blocks[i], 1, (uintptr_t)fake);
  }
  Churn(kSmall, 4000, 2000);
}
