// The first words of a freed medium block become the address of a copy of it,
// which looks genuine.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* fake = Fake();
  char* block = Get(kMedium);
  char* other = Get(kMedium);
  Drop(other);
  Drop(block);
  Copy(fake - 16, block - 16, 64);
  for (size_t word = 0; word < 2; ++word) {
    // Where a link seems to be.
    const uintptr_t link = GetWord(block, word);
    if (link == (uintptr_t)other || link == (uintptr_t)other - 8 ||
        link == (uintptr_t)other - 16) {
      PutWord(block, word, (uintptr_t)fake + link - (uintptr_t)other);
    }
  }
  Churn(kMedium, 200, 200);
}
