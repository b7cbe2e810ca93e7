// A freed small block is filled with text.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* wall = Get(kSmall);
  char* block = Get(kSmall);
  Drop(block);
  Fill(block, 'A', kSmall);
  Churn(kSmall, 200, 200);
  Drop(wall);
}
