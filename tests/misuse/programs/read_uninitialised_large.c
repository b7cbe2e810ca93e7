// A new large block is read before it is written.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kLarge);
  Fill(block, 0x77, kLarge);
  Drop(block);
  for (int i = 0; i < 4; ++i) {
    const char* fresh = malloc(kLarge);
    for (size_t j = 32; j < kLarge; ++j) {
      if (fresh[j] == 0x77) Leak();
    }
  }
}
