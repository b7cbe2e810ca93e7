// A new medium block is read before it is written.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kMedium);
  Fill(block, 0x77, kMedium);
  Drop(block);
  for (int i = 0; i < 4; ++i) {
    const char* fresh = malloc(kMedium);
    for (size_t j = 32; j < kMedium; ++j) {
      if (fresh[j] == 0x77) Leak();
    }
  }
}
