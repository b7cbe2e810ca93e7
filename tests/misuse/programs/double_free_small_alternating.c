// Two small blocks are freed in turns: a, b, a.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* first = Get(kSmall);
  char* second = Get(kSmall);
  Drop(first);
  Drop(second);
  Free(first);
}
