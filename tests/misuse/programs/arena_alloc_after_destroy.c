// A destroyed arena is asked for a block.
#include "tests/misuse/programs/arenas.h"
#include "tests/misuse/programs/harness.h"

void Program(void) {
  Arena* arena = NewArena();
  ArenaBlock(arena, kSmall);
  DestroyArena(arena);
  for (int i = 0; i < 100; ++i) ArenaBlock(arena, kSmall);
}
