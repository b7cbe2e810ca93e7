// Arenas of MyAndOnlyMalloc, if the process has them: other allocators have
// nothing to misuse there.
#ifndef MYONLY_TESTS_MISUSE_PROGRAMS_ARENAS_H_
#define MYONLY_TESTS_MISUSE_PROGRAMS_ARENAS_H_

#include <stddef.h>

typedef struct myonly_arena Arena;

// Does not return if there are no arenas.
Arena* NewArena(void);
void* ArenaBlock(Arena* arena, size_t size);
void ResetArena(Arena* arena);
void DestroyArena(Arena* arena);

#endif  // MYONLY_TESTS_MISUSE_PROGRAMS_ARENAS_H_
