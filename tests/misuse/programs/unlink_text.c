// The links of a coalesced free block are overwritten with text.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(20000);
  char* block = Get(20000);
  char* after = Get(20000);
  Drop(block);
  // More than lists of single sizes hold: it is coalesced.
  Churn(60000, 200, 0);
  Churn(500000, 4, 0);
  Fill(block, 'A', 64);
  Drop(before);
  Drop(after);
  Churn(60000, 200, 0);
  Churn(20000, 30, 30);
}
