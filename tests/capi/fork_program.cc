// Makes processes in the way that its argument names, with a heap in use; the
// child uses it, too. Exits with 0 if all went well.
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/capi/use_heap.h"

extern char** environ;

namespace {

using myonly::testing::HeapWorks;
using myonly::testing::kHeapFailed;
using myonly::testing::UseHeap;

// A child that hangs is ended by its own alarm.
constexpr unsigned kChildSeconds = 20;

bool EndedWell(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Forks; the child runs `child`, and leaves by exit or by _exit.
template <typename Child>
bool Fork(Child child, bool by_exit) {
  const pid_t pid = fork();
  if (pid < 0) return false;
  if (pid > 0) return EndedWell(pid);
  alarm(kChildSeconds);
  const int status = child() ? 0 : kHeapFailed;
  if (by_exit) exit(status);
  _exit(status);
}

// Handlers that allocate. The early ones are registered before any constructor
// has run, so before the allocator's own.
template <int>
void Use() {
  if (!HeapWorks()) _exit(kHeapFailed);
}
int early_calls = 0;
void EarlyPrepare() {
  ++early_calls;
  Use<0>();
}

bool wants_early_handlers = false;

void AtPreinit(int argc, char** argv, char**) {
  wants_early_handlers = argc == 2 && strcmp(argv[1], "early_handlers") == 0;
  if (wants_early_handlers) pthread_atfork(EarlyPrepare, Use<1>, Use<2>);
}

__attribute__((section(".preinit_array"),
               used)) void (*const preinit)(int, char**, char**) = AtPreinit;

bool WithHandlers() {
  // From now on locks are taken.
  std::thread([] {}).join();
  if (pthread_atfork(Use<3>, Use<4>, Use<5>) != 0) return false;
  for (int i = 0; i < 20; ++i) {
    if (!Fork(HeapWorks, i % 2 == 0)) return false;
  }
  return HeapWorks() && (early_calls == 20) == wants_early_handlers;
}

bool Nested() {
  return Fork([] { return Fork([] { return Fork(HeapWorks, true); }, false); },
              true);
}

bool FromThreads() {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&done, seed] {
      unsigned state = seed;
      while (!done) {
        void* block = malloc(rand_r(&state) % 40000);
        void* huge = calloc(1, rand_r(&state) % (1 << 20));
        free(block);
        free(huge);
      }
    });
  }
  bool good = true;
  for (int i = 0; i < 60 && good; ++i) {
    // The child has one thread at first, and makes another.
    good = Fork(
        [] {
          bool thread_good = false;
          std::thread([&] { thread_good = HeapWorks(); }).join();
          return thread_good && HeapWorks();
        },
        i % 2 == 0);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  return good;
}

// Each thread forks, while the others do; its child leaves as a thread does, or
// as a process.
bool ByEachThread() {
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&failed, t] {
      for (int i = 0; i < 15; ++i) {
        free(malloc(static_cast<size_t>(i) * 1000));
        const bool well = Fork(
            [i] {
              if (!HeapWorks()) return false;
              if (i % 3 == 0) pthread_exit(nullptr);
              return true;
            },
            (i + t) % 2 == 0);
        if (!well) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return failed == 0 && HeapWorks();
}

// In the destructors of a thread's data, when its own share is given up.
pthread_key_t key;
std::atomic<int> forks_in_destructors{0};

void ForkAndFree(void* rounds) {
  if (Fork(HeapWorks, false)) ++forks_in_destructors;
  const int left = *static_cast<int*>(rounds) - 1;
  free(rounds);
  if (left == 0) return;
  auto* again = static_cast<int*>(malloc(sizeof(int)));
  *again = left;
  pthread_setspecific(key, again);
}

bool InDestructors() {
  if (pthread_key_create(&key, ForkAndFree) != 0) return false;
  for (int i = 0; i < 8; ++i) {
    std::thread([] {
      auto* rounds = static_cast<int*>(malloc(sizeof(int)));
      *rounds = 4;
      pthread_setspecific(key, rounds);
      free(malloc(5000));
    }).join();
  }
  return forks_in_destructors == 8 * 4 && HeapWorks();
}

// What libc allocates under locks of its own.
bool Environment() {
  std::atomic<bool> done{false};
  std::thread other([&done] {
    while (!done) free(malloc(3000));
  });
  bool good = true;
  for (int i = 0; i < 60 && good; ++i) {
    good = Fork(
        [] {
          for (const char* value : {"a text", "another, which is longer"}) {
            if (setenv("MYONLY_TEST_CHILD", value, 1) != 0) return false;
          }
          return unsetenv("MYONLY_TEST_CHILD") == 0;
        },
        i % 2 == 0);
  }
  done = true;
  other.join();
  return good;
}

char true_program[] = "/bin/true";
char* const true_argv[] = {true_program, nullptr};

bool Vfork() {
  const pid_t pid = vfork();
  if (pid == 0) {
    execve(true_program, true_argv, environ);
    _exit(127);
  }
  return pid > 0 && EndedWell(pid) && HeapWorks();
}

bool Spawn() {
  pid_t pid;
  return posix_spawn(&pid, true_program, nullptr, nullptr, true_argv,
                     environ) == 0 &&
         EndedWell(pid) && HeapWorks();
}

bool System() { return system(true_program) == 0 && HeapWorks(); }

// As a daemon does: a child in a session of its own makes another one and goes;
// that one lets go of all descriptors, and lives on.
bool Daemon() {
  // Ours is the grandchild when its parent is gone.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return false;
  std::thread([] {}).join();
  const pid_t child = fork();
  if (child < 0) return false;
  if (child > 0) {
    return EndedWell(child) && EndedWell(-1) && HeapWorks();
  }
  alarm(kChildSeconds);
  if (setsid() < 0 || !HeapWorks()) _exit(kHeapFailed);
  const pid_t daemon = fork();
  if (daemon != 0) _exit(daemon < 0 ? kHeapFailed : 0);
  alarm(kChildSeconds);
  const int most = static_cast<int>(sysconf(_SC_OPEN_MAX));
  for (int fd = 0; fd < most && fd < 4096; ++fd) close(fd);
  if (chdir("/") != 0) _exit(kHeapFailed);
  bool thread_good = false;
  std::thread([&] { thread_good = HeapWorks(); }).join();
  exit(thread_good && HeapWorks() ? 0 : kHeapFailed);
}

struct Mode {
  const char* name;
  bool (*run)();
};

constexpr Mode kModes[] = {
    {"handlers", WithHandlers},
    {"early_handlers", WithHandlers},
    {"nested", Nested},
    {"threads", FromThreads},
    {"vfork", Vfork},
    {"spawn", Spawn},
    {"system", System},
    {"daemon", Daemon},
    {"each_thread", ByEachThread},
    {"destructors", InDestructors},
    {"environment", Environment},
};

}  // namespace

int main(int argc, char** argv) {
  for (const Mode& mode : kModes) {
    if (argc == 2 && strcmp(argv[1], mode.name) == 0) {
      return mode.run() ? 0 : 1;
    }
  }
  return 2;
}
