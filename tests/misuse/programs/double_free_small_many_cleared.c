// As many small blocks as fill some pages are freed, overwritten and freed
// again, while others between them live.
#include "tests/misuse/programs/harness.h"

enum { kCount = 2000 };
static char* blocks[kCount];

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(kSmall);
  for (int i = 0; i < kCount; i += 2) Drop(blocks[i]);
  for (int i = 0; i < kCount; i += 2) Fill(blocks[i], 0x41, kSmall);
  for (int i = 0; i < kCount; i += 2) Free(blocks[i]);
}
