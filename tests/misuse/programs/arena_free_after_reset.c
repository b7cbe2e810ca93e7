// A block of an arena is freed after the arena was reset.
#include "tests/misuse/programs/arenas.h"
#include "tests/misuse/programs/harness.h"

enum { kCount = 400 };
static void* blocks[kCount];

void Program(void) {
  Arena* arena = NewArena();
  for (int i = 0; i < kCount; ++i) blocks[i] = ArenaBlock(arena, kSmall);
  ResetArena(arena);
  Free(blocks[kCount / 2]);
}
