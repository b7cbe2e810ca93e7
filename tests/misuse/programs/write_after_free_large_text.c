// A freed large block is filled with text.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* wall = Get(kLarge);
  char* block = Get(kLarge);
  Drop(block);
  Fill(block, 'A', kLarge);
  Churn(kLarge, 8, 8);
  Drop(wall);
}
