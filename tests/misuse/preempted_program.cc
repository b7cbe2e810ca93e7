// A thread is stopped in the midst of a call about a block, after each of its
// instructions in turn. Another one frees the block then, its memory is given
// back or used for something else, and the first one goes on.
//
//   preempted_program WHO CALL BLOCK AFTER [STRIDE LAST]
//
// With STRIDE after the first one and every so many later, up to LAST.
// Prints a line for each outcome (programs/harness.h explains the words): the
// word, how often, and after how many instructions it came first. Each run is a
// process of its own, which is forked where the block has just been made.
// LD_PRELOAD brings the allocator.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/single_step.h"

namespace myonly::testing {
namespace {

struct myonly_arena;

// The functions of the library that a program without it lacks.
struct Library {
  int (*create)(const void*, myonly_arena**);
  void* (*allocate)(myonly_arena*, size_t);
  int (*destroy)(myonly_arena*, uint64_t);
  int (*transfer)(void*, myonly_arena*);
  int (*arena_of)(const void*, myonly_arena**);
  int (*block_of)(const void*, void*);
  size_t (*purge)(size_t);
  void (*free_batch)(void**, size_t);
  void (*free_sized)(void*, size_t, size_t);
  int (*try_resize)(void*, size_t, size_t*);
};
Library library;

template <typename Function>
void Find(Function* function, const char* name) {
  *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  if (*function != nullptr) return;
  fprintf(stderr, "no %s\n", name);
  exit(1);
}

void FindLibrary() {
  Find(&library.create, "myonly_arena_create");
  Find(&library.allocate, "myonly_arena_alloc");
  Find(&library.destroy, "myonly_arena_destroy");
  Find(&library.transfer, "myonly_arena_transfer");
  Find(&library.arena_of, "myonly_arena_of");
  Find(&library.block_of, "myonly_block_of");
  Find(&library.purge, "myonly_purge");
  Find(&library.free_batch, "myonly_free_batch");
  Find(&library.free_sized, "myonly_free_sized");
  Find(&library.try_resize, "myonly_try_resize");
}

// What a run tells the process that has started it.
struct Shared {
  int is_over;  // the call had fewer instructions
};
volatile Shared* shared;

// Of whom the call that is stopped is, and who frees in the midst of it: the
// owner of the block is the thread that has made it.
bool owner_frees = false;
bool owner_is_stopped = false;
void (*call)(void*) = nullptr;
std::string after;

char* block;
size_t block_size;
myonly_arena* arena;
myonly_arena* other_arena;
std::vector<std::pair<char*, size_t>> in_use;

size_t stop_at;
size_t instructions = 0;
std::atomic<int> ready{0};
std::atomic<bool> is_stopped{false};
std::atomic<bool> is_freed{false};
std::atomic<bool> goes_on{false};

// Not for ever: what is waited for may wait for a lock of the thread that is
// stopped.
void WaitFor(const std::atomic<bool>& what) {
  constexpr int64_t kMostNs = 10'000'000;
  timespec begin;
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (!what && (now.tv_sec - begin.tv_sec) * 1'000'000'000 + now.tv_nsec -
                            begin.tv_nsec <
                        kMostNs);
}

// --- The block. ---

void* Allocate(size_t size) {
  return arena == nullptr ? malloc(size) : library.allocate(arena, size);
}

// One of many of its kind, and the last of its slab or region that is in use.
void MakeBlock(size_t size, size_t count) {
  block_size = size;
  std::vector<char*> all(count);
  for (char*& one : all) {
    one = static_cast<char*>(Allocate(size));
    if (one == nullptr) abort();
    memset(one, 0x11, std::min(size, size_t{4096}));
  }
  block = all[count / 2];
  for (size_t i = 0; i < count / 5 * 4; ++i) {
    if (all[i] != block) free(all[i]);
  }
}

void Make(const std::string& kind) {
  library.create(nullptr, &other_arena);
  if (kind.rfind("arena_", 0) == 0) library.create(nullptr, &arena);
  const std::string size = kind.substr(kind.rfind('_') + 1);
  if (size == "small") {
    MakeBlock(1024, 640);
  } else if (size == "medium") {
    MakeBlock(3000, 600);
    library.purge(0);
  } else if (size == "large") {
    MakeBlock(size_t{200} << 10, 6);
  } else if (size == "huge") {
    MakeBlock(size_t{6} << 20, 3);
  } else {
    abort();
  }
}

// What becomes of its memory: nothing more, runs, or regions of an arena.
void UseMemory() {
  library.purge(0);
  if (after == "runs") {
    for (size_t i = 0; i < 24; ++i) {
      const size_t size = 100000 + i * 30000 % 600000;
      auto* run = static_cast<char*>(malloc(size));
      if (run != nullptr) in_use.emplace_back(run, size);
    }
  } else if (after == "regions") {
    for (int i = 0; i < 300; ++i) library.allocate(other_arena, 3000);
  }
}

// --- The threads. ---

void Look(void* /*context*/) {
  if (++instructions != stop_at) return;
  is_stopped = true;
  WaitFor(goes_on);
  StopStepping();
}

// What they answer is of no interest.
size_t some_size;
myonly_arena* some_arena;
void* volatile some_block;
uint64_t some_info[5] = {sizeof(some_info)};  // a myonly_block_info

struct NamedCall {
  const char* name;
  void (*run)(void*);
};
const NamedCall kCalls[] = {
    {"free", [](void*) { free(block); }},
    {"free_batch",
     [](void*) { library.free_batch(reinterpret_cast<void**>(&block), 1); }},
    {"free_sized", [](void*) { library.free_sized(block, block_size, 16); }},
    {"grow", [](void*) { some_block = realloc(block, block_size * 2 + 8); }},
    {"shrink", [](void*) { some_block = realloc(block, block_size / 3); }},
    {"try_resize",
     [](void*) { library.try_resize(block, block_size * 2, &some_size); }},
    {"usable_size", [](void*) { some_size = malloc_usable_size(block); }},
    {"transfer", [](void*) { library.transfer(block, other_arena); }},
    {"block_of", [](void*) { library.block_of(block, some_info); }},
    {"arena_of", [](void*) { library.arena_of(block, &some_arena); }},
};

void CallAndStop() {
  SingleStep(call, Look, nullptr);
  if (is_stopped) return;
  shared->is_over = 1;
  _exit(0);
}

void FreeIt() {
  if (after == "destroyed") {
    library.destroy(arena, 0);
  } else {
    free(block);
  }
}

// A thread of its own to the allocator before it begins.
void Begin() {
  for (int i = 0; i < 64; ++i) free(malloc(64));
  ++ready;
}

void* RunStopped(void* /*argument*/) {
  Begin();
  while (ready != 0) sched_yield();
  CallAndStop();
  return nullptr;
}

void* RunFree(void* /*argument*/) {
  Begin();
  while (!is_stopped) sched_yield();
  FreeIt();
  if (owner_is_stopped) UseMemory();
  is_freed = true;
  if (owner_is_stopped) goes_on = true;
  return nullptr;
}

void RunThreads() {
  pthread_t threads[2];
  int count = 0;
  if (!owner_is_stopped) {
    pthread_create(&threads[count++], nullptr, RunStopped, nullptr);
  }
  if (!owner_frees) {
    pthread_create(&threads[count++], nullptr, RunFree, nullptr);
  }
  while (ready != count) sched_yield();
  ready = 0;
  if (owner_is_stopped) {
    CallAndStop();
  } else {
    while (!is_stopped) sched_yield();
    if (owner_frees) {
      FreeIt();
    } else {
      WaitFor(is_freed);
    }
    UseMemory();
    goes_on = true;
  }
  for (int i = 0; i < count; ++i) pthread_join(threads[i], nullptr);
}

// --- How it ends. ---

// The heap must still work.
bool IsWhole() {
  const size_t sizes[] = {16, 48, 512, 1024, 3000, 60000, 200 << 10, 6 << 20};
  std::vector<std::pair<char*, size_t>> blocks;
  blocks.reserve(1024);
  for (int round = 0; round < 2; ++round) {
    blocks = in_use;
    for (const size_t size : sizes) {
      for (size_t i = 0; i < (size <= 3000 ? 80 : 2); ++i) {
        auto* start = static_cast<char*>(malloc(size));
        memset(start, 0x22, std::min(size, size_t{4096}));
        blocks.emplace_back(start, size);
      }
    }
    std::sort(blocks.begin(), blocks.end());
    for (size_t i = 1; i < blocks.size(); ++i) {
      const auto& before = blocks[i - 1];
      if (before.first + before.second > blocks[i].first) return false;
    }
    for (const auto& one : blocks) {
      if (std::find(in_use.begin(), in_use.end(), one) == in_use.end()) {
        free(one.first);
      }
    }
  }
  return true;
}

constexpr int kOverlaps = 3;
constexpr int kGuarded = 4;

// What is freed may fault, also when a call looks at the block.
void OnFault(int signal_number, siginfo_t* info, void* /*context*/) {
  const auto* at = static_cast<const char*>(info->si_addr);
  constexpr int kTag = 16;
  if (at >= block - kTag && at < block + block_size + kTag) _exit(kGuarded);
  signal(signal_number, SIG_DFL);
}

[[noreturn]] void RunChild(int error_fd) {
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(error_fd, STDERR_FILENO);
  alarm(30);
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  RunThreads();
  _exit(IsWhole() ? 0 : kOverlaps);
}

const char* WordFor(int status, bool has_said) {
  if (WIFEXITED(status)) {
    if (WEXITSTATUS(status) == kOverlaps) return "OVERLAP";
    if (WEXITSTATUS(status) == kGuarded) return "GUARDED";
    return has_said ? "REPORTED" : "HARMLESS";
  }
  switch (WTERMSIG(status)) {
    case SIGABRT:
      return has_said ? "DETECTED" : "CRASH";
    case SIGALRM:
      return "HANG";
    default:
      return "CRASH";
  }
}

const char* RunOnce() {
  int fds[2];
  if (pipe(fds) != 0) abort();
  shared->is_over = 0;
  const pid_t child = fork();
  if (child == 0) RunChild(fds[1]);
  close(fds[1]);
  char text[4096];
  bool has_said = false;
  while (read(fds[0], text, sizeof(text)) > 0) has_said = true;
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WordFor(status, has_said);
}

int Main(char** argv) {
  FindLibrary();
  const std::string who = argv[1];
  owner_frees = who == "owner_frees";
  owner_is_stopped = who == "owner_is_stopped";
  for (const NamedCall& one : kCalls) {
    if (strcmp(one.name, argv[2]) == 0) call = one.run;
  }
  if (call == nullptr) return 2;
  after = argv[4];
  const bool strides = argv[5] != nullptr;
  const size_t stride = strides ? strtoul(argv[5], nullptr, 10) : 1;
  const size_t last = strides ? strtoul(argv[6], nullptr, 10) : 400;
  if (stride == 0) return 2;
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  shared = static_cast<Shared*>(memory);
  Make(argv[3]);
  // Fixed ones, as a string would change the heap from run to run.
  std::map<std::string, std::pair<size_t, size_t>> outcomes;
  for (stop_at = 1; stop_at <= last; stop_at += stride) {
    const char* word = RunOnce();
    if (shared->is_over != 0) break;
    auto& outcome = outcomes[word];
    if (outcome.first++ == 0) outcome.second = stop_at;
  }
  for (const auto& [word, outcome] : outcomes) {
    printf("%s %zu, first after %zu\n", word.c_str(), outcome.first,
           outcome.second);
  }
  return 0;
}

}  // namespace
}  // namespace myonly::testing

int main(int argc, char** argv) {
  if (argc != 5 && argc != 7) return 2;
  if (!myonly::testing::CanSingleStep()) {
    puts("UNSUPPORTED");
    return 0;
  }
  return myonly::testing::Main(argv);
}
