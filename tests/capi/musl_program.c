/* The C API on another libc: linked statically with musl, whose malloc stays
 * in force. Threads, arenas, fork. Prints "ok".
 *
 * The library's objects are compiled for glibc. What they ask of it and musl
 * doesn't have is here: a flag that says whether there is one thread (it may
 * always be 0), fork handlers with glibc's name, and strcpy with a check. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "myonly/myonly.h"

char __libc_single_threaded = 0;
int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void*);
int __register_atfork(void (*prepare)(void), void (*parent)(void),
                      void (*child)(void), void* unused) {
  (void)unused;
  return pthread_atfork(prepare, parent, child);
}
char* __strcpy_chk(char*, const char*, size_t);
char* __strcpy_chk(char* to, const char* from, size_t size) {
  if (strlen(from) >= size) abort();
  return strcpy(to, from);
}

static int Use(myonly_arena* arena) {
  char* blocks[200] = {0};
  int i;
  int j;
  for (i = 0; i < 4000; ++i) {
    const size_t size = (size_t)(i % 97) * (size_t)(i % 61) * 13 + 1;
    char** block = &blocks[i % 200];
    if (*block != NULL && **block != (char)(i - 200)) return 0;
    myonly_free(*block);
    *block =
        arena == NULL ? myonly_alloc(size) : myonly_arena_alloc(arena, size);
    if (*block == NULL) return 0;
    memset(*block, i, size);
  }
  for (j = 0; j < 200; ++j) myonly_free(blocks[j]);
  return 1;
}

static void* Thread(void* arena) { return Use(arena) ? arena : NULL; }

int main(void) {
  myonly_arena* arena = NULL;
  pthread_t threads[4];
  pid_t child;
  int status = 1;
  int i;
  if (myonly_arena_create(NULL, &arena) != MYONLY_OK) return 2;
  if (!Use(NULL) || !Use(arena)) return 3;
  for (i = 0; i < 4; ++i) {
    if (pthread_create(&threads[i], NULL, Thread, arena) != 0) return 4;
  }
  child = fork();
  if (child == 0) _exit(Use(NULL) && Use(arena) ? 0 : 1);
  if (waitpid(child, &status, 0) != child || status != 0) return 5;
  for (i = 0; i < 4; ++i) {
    void* result = NULL;
    if (pthread_join(threads[i], &result) != 0 || result != arena) return 6;
  }
  if (myonly_arena_check(arena) != MYONLY_OK) return 7;
  if (myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY) != MYONLY_OK) {
    return 8;
  }
  puts("ok");
  return 0;
}
