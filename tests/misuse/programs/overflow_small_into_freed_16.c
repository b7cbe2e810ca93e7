// 16 bytes are written behind a small block, where the next one is free.
#include "tests/misuse/programs/harness.h"

enum { kCount = 16 };
static char* blocks[kCount];

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(48);
  for (int i = 1; i < kCount; i += 2) Drop(blocks[i]);
  for (int i = 0; i < kCount; i += 2) {
    Fill(blocks[i] + UsableSize(blocks[i]), 'A', 16);
  }
  Churn(48, 200, 200);
}
