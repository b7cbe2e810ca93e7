/* Two copies of the library in one process, beside what malloc is: each has its
 * own heap, all three are used by several threads, and by a child.
 *
 *   two_copies_program WAY FIRST SECOND
 *
 * WAY: "dlopen" both, or "dlmopen" the second one, which gets a libc of its own
 * as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kThreads = 4, kBlocks = 200, kSources = 3 };

typedef struct {
  void* library;
  void* (*allocate)(size_t);
  void (*release)(void*);
} Source;

static Source sources[kSources];

/* By memcpy: ISO C does not convert data pointers to functions. */
static int Find(void* library, const char* name, void* function) {
  void* symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof(symbol));
  return symbol != NULL;
}

static int Load(Source* source, const char* path, int has_namespace) {
  int (*is_process_allocator)(void);
  source->library = has_namespace
                        ? dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL)
                        : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (source->library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 0;
  }
  return Find(source->library, "myonly_alloc", &source->allocate) &&
         Find(source->library, "myonly_free", &source->release) &&
         Find(source->library, "myonly_is_process_allocator",
              &is_process_allocator) &&
         (has_namespace || is_process_allocator() == 0);
}

static size_t SizeOf(size_t i) { return 8 + (i * i * 37) % 90000; }

/* Blocks of all of them by turns, each with contents of its own. */
static int Use(unsigned char first) {
  unsigned char* blocks[kBlocks];
  size_t i;
  int good = 1;
  for (i = 0; i < kBlocks; ++i) {
    blocks[i] = sources[i % kSources].allocate(SizeOf(i));
    if (blocks[i] == NULL) return 0;
    memset(blocks[i], (unsigned char)(first + i), SizeOf(i));
  }
  for (i = 0; i < kBlocks; ++i) {
    const unsigned char expected = (unsigned char)(first + i);
    good = good && blocks[i][0] == expected &&
           blocks[i][SizeOf(i) - 1] == expected;
    sources[i % kSources].release(blocks[i]);
  }
  return good;
}

static void* Thread(void* number) {
  int round;
  for (round = 0; round < 5; ++round) {
    if (!Use((unsigned char)((size_t)number * 50 + (size_t)round))) return NULL;
  }
  return (void*)1;
}

static int UseInThreads(void) {
  pthread_t threads[kThreads];
  size_t i;
  int good = 1;
  for (i = 0; i < kThreads; ++i) {
    if (pthread_create(&threads[i], NULL, Thread, (void*)i) != 0) return 0;
  }
  for (i = 0; i < kThreads; ++i) {
    void* result = NULL;
    good = pthread_join(threads[i], &result) == 0 && result != NULL && good;
  }
  return good;
}

static int UseInAChild(void) {
  int status = 0;
  const pid_t child = fork();
  if (child == 0) _exit(Use(7) && Use(8) ? 0 : 1);
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char** argv) {
  int has_namespace, round;
  if (argc != 4) return 2;
  has_namespace = strcmp(argv[1], "dlmopen") == 0;
  sources[2].allocate = malloc;
  sources[2].release = free;
  for (round = 0; round < 3; ++round) {
    if (!Load(&sources[0], argv[2], 0)) return 3;
    if (!Load(&sources[1], argv[3], has_namespace)) return 4;
    if (sources[0].allocate == sources[1].allocate) return 5;
    if (!Use(1) || !UseInThreads() || !UseInAChild()) return 6;
    if (dlclose(sources[1].library) != 0) return 7;
    /* The first one goes on by itself. */
    sources[0].release(sources[0].allocate(1000));
    if (dlclose(sources[0].library) != 0) return 8;
    free(realloc(malloc(100), 100000));
  }
  puts("ok");
  return 0;
}
