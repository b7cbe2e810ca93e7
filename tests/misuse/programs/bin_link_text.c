// The links of free blocks of one size are overwritten with text, and then
// blocks of the size are wanted.
#include "tests/misuse/programs/harness.h"

enum { kCount = 20 };
static char* blocks[kCount];

void Program(void) {
  for (int i = 0; i < kCount; ++i) blocks[i] = Get(20000);
  for (int i = 1; i < kCount; i += 2) Drop(blocks[i]);
  Churn(60000, 200, 0);
  Churn(500000, 4, 0);
  for (int i = 1; i < kCount; i += 2) Fill(blocks[i], 'A', 16);
  Churn(20000, 60, 60);
}
