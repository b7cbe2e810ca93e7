// The links of a coalesced free block lead to a global that links back, then
// its neighbours are freed.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(20000);
  char* block = Get(20000);
  char* after = Get(20000);
  Drop(block);
  // More than lists of single sizes hold: it is coalesced.
  Churn(60000, 200, 0);
  Churn(500000, 4, 0);
  char* fake = Fake();
  for (size_t word = 0; word < 64; ++word) {
    PutWord(fake, word, (uintptr_t)block - 8 * (word % 4));
  }
  PutWord(block, 0, (uintptr_t)fake);
  PutWord(block, 1, (uintptr_t)fake);
  Drop(before);
  Drop(after);
  Churn(60000, 200, 0);
  Churn(20000, 30, 30);
}
