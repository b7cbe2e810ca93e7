// A stale pointer writes into a small block that somebody else has got.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kSmall);
  Drop(block);
  char* other = Get(kSmall);
  Watch(other);
  Fill(block, 'A', kSmall);
}
