// The parent starts the program as a child, looks how it ends and prints one
// word; the second line is what the allocator said.
#define _GNU_SOURCE
#include "tests/misuse/programs/harness.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// clang makes no copies of functions for some of their arguments.
#ifdef __clang__
#define HIDDEN __attribute__((noinline))
#else
#define HIDDEN __attribute__((noinline, noclone))
#endif

enum { kMaxLive = 1 << 14, kMaxSizes = 16, kMaxChosen = 8 };
enum { kTimeoutMs = 10000, kFakeBytes = 1 << 16 };

typedef struct {
  const char* outcome;  // NULL: none yet; the same address in parent and child
  int touching;         // in an access of the program, not the allocator's
} Shared;

typedef struct {
  char* start;
  size_t size;
  unsigned char pattern;
  int watched;
} LiveBlock;

typedef struct {
  const char* start;
  size_t size;
} Range;

static volatile Shared* shared;
static LiveBlock live[kMaxLive];
static size_t num_live;
static size_t sizes[kMaxSizes];
static size_t num_sizes;
static Range chosen[kMaxChosen];
static size_t num_chosen;
static unsigned char next_pattern = 1;
static char fake[kFakeBytes] __attribute__((aligned(4096)));

static __attribute__((noreturn)) void Conclude(const char* outcome) {
  shared->outcome = outcome;
  _exit(0);
}

void Leak(void) { Conclude("LEAK"); }
void Unsupported(void) { Conclude("UNSUPPORTED"); }

static int Overlaps(const char* a, size_t a_size, const char* b,
                    size_t b_size) {
  return a < b + b_size && b < a + a_size;
}

static void NoteSize(size_t size) {
  for (size_t i = 0; i < num_sizes; ++i) {
    if (sizes[i] == size) return;
  }
  if (num_sizes < kMaxSizes) sizes[num_sizes++] = size;
}

HIDDEN char* Keep(void* block, size_t size) {
  char* start = block;
  if (start == NULL) return NULL;
  for (size_t i = 0; i < num_chosen; ++i) {
    if (Overlaps(start, size, chosen[i].start, chosen[i].size)) {
      Conclude("CHOSEN_ADDRESS");
    }
  }
  for (size_t i = 0; i < num_live; ++i) {
    if (Overlaps(start, size, live[i].start, live[i].size)) Conclude("OVERLAP");
  }
  if (num_live == kMaxLive) abort();
  if (++next_pattern == 0) next_pattern = 1;
  memset(start, next_pattern, size);
  live[num_live++] = (LiveBlock){start, size, next_pattern, 0};
  NoteSize(size);
  return start;
}

HIDDEN char* Get(size_t size) { return Keep(malloc(size), size); }

static LiveBlock* Find(const void* block) {
  for (size_t i = num_live; i-- != 0;) {
    if (live[i].start == block) return &live[i];
  }
  return NULL;
}

static void CheckWatched(const LiveBlock* block) {
  if (!block->watched) return;
  for (size_t i = 0; i < block->size; ++i) {
    if ((unsigned char)block->start[i] != block->pattern) Conclude("MISSED");
  }
}

HIDDEN void Forget(const void* block) {
  LiveBlock* found = Find(block);
  if (found == NULL) return;
  *found = live[--num_live];
}

HIDDEN void Drop(void* block) {
  Forget(block);
  free(block);
}

HIDDEN void Free(void* ptr) { free(ptr); }
HIDDEN void* Resize(void* ptr, size_t size) { return realloc(ptr, size); }
HIDDEN size_t UsableSize(void* ptr) { return malloc_usable_size(ptr); }

HIDDEN void Fill(void* at, int byte, size_t bytes) {
  shared->touching = 1;
  memset(at, byte, bytes);
  shared->touching = 0;
}

HIDDEN void Copy(void* to, const void* from, size_t bytes) {
  shared->touching = 1;
  memcpy(to, from, bytes);
  shared->touching = 0;
}

HIDDEN void PutWord(void* block, size_t word, uintptr_t value) {
  Copy((char*)block + word * sizeof(value), &value, sizeof(value));
}

HIDDEN uintptr_t GetWord(const void* block, size_t word) {
  uintptr_t value;
  Copy(&value, (const char*)block + word * sizeof(value), sizeof(value));
  return value;
}

HIDDEN void Choose(const void* start, size_t bytes) {
  if (num_chosen == kMaxChosen) abort();
  chosen[num_chosen++] = (Range){start, bytes};
}

HIDDEN char* Fake(void) {
  Choose(fake, sizeof(fake));
  return fake + kFakeBytes / 2;
}

HIDDEN void Watch(const void* block) {
  LiveBlock* found = Find(block);
  if (found != NULL) found->watched = 1;
}

HIDDEN void Churn(size_t size, size_t count, size_t kept) {
  static char* blocks[4096];
  if (count > sizeof(blocks) / sizeof(blocks[0])) abort();
  for (size_t i = 0; i < count; ++i) blocks[i] = Get(size);
  for (size_t i = kept; i < count; ++i) {
    if (blocks[i] != NULL) Drop(blocks[i]);
  }
}

typedef struct {
  void (*run)(void*);
  void* argument;
  pthread_barrier_t* barrier;
} Job;

static void* RunJob(void* context) {
  const Job* job = context;
  if (job->barrier != NULL) {
    // A thread of its own to the allocator before it begins.
    for (int i = 0; i < 64; ++i) free(malloc(64));
    pthread_barrier_wait(job->barrier);
  }
  job->run(job->argument);
  return NULL;
}

void InThread(void (*run)(void*), void* argument) {
  Job job = {run, argument, NULL};
  pthread_t thread;
  if (pthread_create(&thread, NULL, RunJob, &job) != 0) abort();
  pthread_join(thread, NULL);
}

void InTwoThreads(void (*run)(void*), void* argument) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, 2);
  Job job = {run, argument, &barrier};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    if (pthread_create(&threads[i], NULL, RunJob, &job) != 0) abort();
  }
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
}

void* Function(const char* name) { return dlsym(RTLD_DEFAULT, name); }

// The heap must still work: every size that the program has used, some others,
// then all of it goes, and once more.
static void Finish(void) {
  const size_t own_sizes = num_sizes;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < own_sizes; ++i) {
      const size_t count = sizes[i] <= kMedium ? 300 : 8;
      Churn(sizes[i], count, count / 2);
    }
    for (size_t size = 16; size <= 4096; size *= 2) Churn(size, 40, 20);
    for (size_t i = 0; i < num_live; ++i) CheckWatched(&live[i]);
    while (num_live != 0) Drop(live[num_live - 1].start);
  }
}

// Only who has asked for a size a few times may get it from where the allocator
// is fast.
static void WarmUp(void) {
  static char* blocks[64];
  for (size_t size = 16; size <= 1024; size += 16) {
    for (int i = 0; i < 24; ++i) blocks[i] = malloc(size);
    for (int i = 0; i < 24; ++i) free(blocks[i]);
  }
}

static __attribute__((noreturn)) void RunChild(int is_cold, int error_fd) {
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(error_fd, STDERR_FILENO);
  if (!is_cold) WarmUp();
  Program();
  Finish();
  Conclude("HARMLESS");
}

static int WaitFor(pid_t child, int* status) {
  const struct timespec step = {0, 1000000};
  for (int i = 0; i < kTimeoutMs; ++i) {
    if (waitpid(child, status, WNOHANG) == child) return 1;
    nanosleep(&step, NULL);
  }
  kill(child, SIGKILL);
  waitpid(child, status, 0);
  return 0;
}

static const char* OutcomeOf(int status, const char* said) {
  if (WIFEXITED(status)) {
    if (shared->outcome == NULL) return said[0] != 0 ? "DETECTED" : "CRASH";
    const int fine = strcmp(shared->outcome, "HARMLESS") == 0;
    return fine && said[0] != 0 ? "REPORTED" : (const char*)shared->outcome;
  }
  switch (WTERMSIG(status)) {
    case SIGABRT:
    case SIGILL:
    case SIGTRAP:
      return "DETECTED";
    default:
      if (!shared->touching) return "CRASH";
      // A library that has a handler says what it was and lets it come again.
      return said[0] != 0 ? "DETECTED" : "GUARDED";
  }
}

int main(int argc, char** argv) {
  const int is_cold = argc == 2 && strcmp(argv[1], "cold") == 0;
  shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int pipe_fds[2];
  if (shared == MAP_FAILED || pipe(pipe_fds) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) RunChild(is_cold, pipe_fds[1]);
  close(pipe_fds[1]);
  int status = 0;
  const int ended = child > 0 && WaitFor(child, &status);
  static char said[4096];
  size_t length = 0;
  ssize_t got;
  while (length < sizeof(said) - 1 &&
         (got = read(pipe_fds[0], said + length, sizeof(said) - 1 - length)) >
             0) {
    length += (size_t)got;
  }
  const char* outcome = ended ? OutcomeOf(status, said) : "HANG";
  dprintf(STDOUT_FILENO, "%s\n%s", outcome, said);
  return 0;
}
