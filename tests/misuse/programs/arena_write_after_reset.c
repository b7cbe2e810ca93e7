// A block of an arena is written to after a reset, then the arena is used
// again.
#include "tests/misuse/programs/arenas.h"
#include "tests/misuse/programs/harness.h"

enum { kCount = 400 };
static void* blocks[kCount];

void Program(void) {
  Arena* arena = NewArena();
  for (int i = 0; i < kCount; ++i) blocks[i] = ArenaBlock(arena, kSmall);
  ResetArena(arena);
  for (int i = 0; i < kCount; ++i) Fill(blocks[i], 'A', kSmall);
  for (int i = 0; i < kCount; ++i) {
    blocks[i] = Keep(ArenaBlock(arena, kSmall), kSmall);
  }
  for (int i = 0; i < kCount; ++i) Forget(blocks[i]);
  DestroyArena(arena);
}
