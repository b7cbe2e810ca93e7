// The links of medium blocks that another thread has freed are overwritten.
#include "tests/misuse/programs/harness.h"

enum { kCount = 50 };
static char* blocks[kCount];

static void FreeAll(void* unused) {
  (void)unused;
  for (int i = 0; i < kCount; ++i) Free(blocks[i]);
}

void Program(void) {
  char* fake = Fake();
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kMedium);
  for (int i = 0; i < kCount; ++i) Forget(blocks[i]);
  InThread(FreeAll, NULL);
  for (int i = 0; i < kCount; ++i) {
    PutWord(blocks[i], 0, (uintptr_t)fake);
    PutWord(blocks[i], 1, (uintptr_t)fake);
  }
  Churn(kMedium, 400, 200);
}
