// A freed huge block is filled with text.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* wall = Get(kHuge);
  char* block = Get(kHuge);
  Drop(block);
  Fill(block, 'A', kHuge);
  Churn(kHuge, 8, 8);
  Drop(wall);
}
