// The link of a freed block leads to a live one.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* live = Get(kSmall);
  char* block = Get(kSmall);
  char* other = Get(kSmall);
  Drop(other);
  Drop(block);
  for (size_t word = 0; word < 2; ++word) {
    if (GetWord(block, word) == (uintptr_t)other) {
      PutWord(block, word, (uintptr_t)live);
    }
  }
  Churn(kSmall, 100, 100);
}
