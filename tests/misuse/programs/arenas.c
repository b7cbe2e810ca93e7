#include "tests/misuse/programs/arenas.h"

#include "tests/misuse/programs/harness.h"

Arena* NewArena(void) {
  typedef int Create(const void* options, Arena** out);
  Create* create = (Create*)Function("myonly_arena_create");
  Arena* arena = NULL;
  if (create == NULL || create(NULL, &arena) != 0) Unsupported();
  return arena;
}

void* ArenaBlock(Arena* arena, size_t size) {
  typedef void* Allocate(Arena * from, size_t bytes);
  return ((Allocate*)Function("myonly_arena_alloc"))(arena, size);
}

void ResetArena(Arena* arena) {
  typedef int Reset(Arena * which);
  ((Reset*)Function("myonly_arena_reset"))(arena);
}

void DestroyArena(Arena* arena) {
  typedef int Destroy(Arena * which, int mode);
  ((Destroy*)Function("myonly_arena_destroy"))(arena, 0);
}
