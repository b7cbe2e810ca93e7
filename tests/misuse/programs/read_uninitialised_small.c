// A new small block is read before it is written.
#include <stdlib.h>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Fill(block, 0x77, kSmall);
  Drop(block);
  for (int i = 0; i < 4; ++i) {
    const char* fresh = malloc(kSmall);
    for (size_t j = 32; j < kSmall; ++j) {
      if (fresh[j] == 0x77) Leak();
    }
  }
}
