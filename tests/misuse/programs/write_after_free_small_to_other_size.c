// The link of a freed block leads to a freed block of another size.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* before = Get(16);
  char* little = Get(16);
  char* after = Get(16);
  char* block = Get(512);
  char* other = Get(512);
  Watch(before);
  Watch(after);
  Drop(little);
  Drop(other);
  Drop(block);
  for (size_t word = 0; word < 2; ++word) {
    if (GetWord(block, word) == (uintptr_t)other) {
      PutWord(block, word, (uintptr_t)little);
    }
  }
  Churn(512, 8, 8);
}
