// A block of an arena is freed after the arena was destroyed.
#include "tests/misuse/programs/arenas.h"
#include "tests/misuse/programs/harness.h"

enum { kCount = 100 };
static void* blocks[kCount];

void Program(void) {
  Arena* arena = NewArena();
  for (int i = 0; i < kCount; ++i) blocks[i] = ArenaBlock(arena, kMedium);
  DestroyArena(arena);
  Free(blocks[kCount / 2]);
}
