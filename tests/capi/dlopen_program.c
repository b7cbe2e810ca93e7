/* Loads the library late, as a plugin does: libc's malloc stays in force, and
 * the C API works beside it; and closes it before a thread that used it has
 * ended. Argument: the library's path. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* (*alloc_function)(size_t);
static void (*free_function)(void*);

static int UseBoth(void) {
  size_t size;
  for (size = 1; size < (size_t)40 << 20; size = size * 7 + 1) {
    char* ours = alloc_function(size);
    char* theirs = malloc(size);
    if (ours == NULL || theirs == NULL) return 0;
    memset(ours, 1, size);
    memset(theirs, 2, size);
    if (ours[size - 1] != 1 || theirs[0] != 2) return 0;
    free_function(ours);
    free(theirs);
  }
  return 1;
}

static void* Thread(void* unused) {
  (void)unused;
  return UseBoth() ? (void*)1 : NULL;
}

static int UseBothInThread(void) {
  pthread_t thread;
  void* result = NULL;
  return pthread_create(&thread, NULL, Thread, NULL) == 0 &&
         pthread_join(thread, &result) == 0 && result != NULL;
}

/* Ends when the library is closed: what the library does at a thread's end must
 * still be there. */
static pthread_barrier_t barrier;

static void* LateThread(void* unused) {
  void* result = (void*)1;
  int i;
  /* So often that the thread has memory of its own. */
  for (i = 0; i < 10; ++i) {
    if (Thread(unused) == NULL) result = NULL;
  }
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return result;
}

static int CloseBeforeAThreadEnds(void* library) {
  pthread_t thread;
  void* result = NULL;
  int closed;
  pthread_barrier_init(&barrier, NULL, 2);
  if (pthread_create(&thread, NULL, LateThread, NULL) != 0) return 0;
  pthread_barrier_wait(&barrier);
  closed = dlclose(library) == 0;
  pthread_barrier_wait(&barrier);
  return pthread_join(thread, &result) == 0 && result != NULL && closed;
}

/* By memcpy: ISO C does not convert data pointers to functions. */
static int Find(void* library, const char* name, void* function) {
  void* symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof(symbol));
  return symbol != NULL;
}

int main(int argc, char** argv) {
  int (*is_process_allocator)(void);
  int round;
  if (argc != 2) return 2;
  for (round = 0; round < 3; ++round) {
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 3;
    }
    if (!Find(library, "myonly_alloc", &alloc_function) ||
        !Find(library, "myonly_free", &free_function) ||
        !Find(library, "myonly_is_process_allocator", &is_process_allocator)) {
      return 4;
    }
    if (is_process_allocator() != 0) return 5;
    if (!UseBoth() || !UseBothInThread()) return 6;
    if (!CloseBeforeAThreadEnds(library)) return 7;
    /* Libc's heap is as it was. */
    free(realloc(malloc(100), 100000));
  }
  puts("ok");
  return 0;
}
