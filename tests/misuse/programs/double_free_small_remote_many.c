// Other threads free many small blocks, among them one twice, far apart.
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
  InThread(Free, blocks[kCount / 2]);
}
