// A text is one byte longer than its block, as without room for its end.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(64);
  char* after = Get(64);
  Watch(after);
  const size_t usable = UsableSize(block);
  Fill(block, 'A', usable);
  Fill(block + usable, 0, 1);
  Drop(block);
}
