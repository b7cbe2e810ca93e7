// Two medium blocks are freed in turns: a, b, a.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* first = Get(kMedium);
  char* second = Get(kMedium);
  Drop(first);
  Drop(second);
  Free(first);
}
