// A freed small block is read.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Fill(block, 0x77, kSmall);
  Drop(block);
  if (GetWord(block, 3) == 0x7777777777777777) Leak();
}
