// The words before blocks become what they were when larger blocks stood there;
// then the blocks are freed, while those behind them are in use.
#include "tests/misuse/programs/harness.h"

// With their headers, four blocks are as large as a larger one.
enum { kCount = 20, kLarger = 4 * (kMedium + 8) - 8 };

void Program(void) {
  char* larger[kCount];
  uintptr_t older[kCount];
  for (int i = 0; i < kCount; ++i) {
    larger[i] = Get(kLarger);
    older[i] = GetWord(larger[i] - 8, 0);
  }
  for (int i = 0; i < kCount; ++i) Drop(larger[i]);
  Churn(60000, 200, 0);
  char* blocks[4 * kCount];
  for (int i = 0; i < 4 * kCount; ++i) blocks[i] = Get(kMedium);
  for (int i = 0; i < kCount; ++i) {
    for (int k = 0; k < 4 * kCount; ++k) {
      if (blocks[k] != larger[i]) continue;
      PutWord(blocks[k] - 8, 0, older[i]);
      Drop(blocks[k]);
      blocks[k] = NULL;
      break;
    }
  }
  Churn(kLarger, 20, 20);
}
