// A block of an arena is freed twice.
#include "tests/misuse/programs/arenas.h"
#include "tests/misuse/programs/harness.h"

void Program(void) {
  Arena* arena = NewArena();
  for (int i = 0; i < 300; ++i) ArenaBlock(arena, kSmall);
  void* block = ArenaBlock(arena, kSmall);
  Free(block);
  Free(block);
}
