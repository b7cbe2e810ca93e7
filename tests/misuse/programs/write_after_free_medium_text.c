// A freed medium block is filled with text.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* wall = Get(kMedium);
  char* block = Get(kMedium);
  Drop(block);
  Fill(block, 'A', kMedium);
  Churn(kMedium, 200, 200);
  Drop(wall);
}
