// An arena is destroyed twice.
#include "tests/misuse/programs/arenas.h"
#include "tests/misuse/programs/harness.h"

void Program(void) {
  Arena* arena = NewArena();
  ArenaBlock(arena, kSmall);
  DestroyArena(arena);
  DestroyArena(arena);
}
