// A page is written behind a huge block.
#include "tests/misuse/programs/harness.h"

void Program(void) {
  char* block = Get(kHuge);
  char* after = Get(kHuge);
  Watch(after);
  Fill(block + UsableSize(block), 'A', kPage);
  Drop(block);
}
