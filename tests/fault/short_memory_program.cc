// A program that has few addresses, uses all of them, frees, and asks for other
// blocks: what the allocator kept from the first ones must serve them. Prints
// "ok", or what did not come back.
//
//   short_memory_program CASE
//
// Nothing here depends on which thread runs first: they take turns.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cstddef>

#include "myonly/myonly.h"
#include "tests/fault/system_limits.h"

namespace {

using myonly::testing::LimitAddresses;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kLimitBytes = 24 * kMiB;
// A table of all arenas there may be has some.
constexpr size_t kLimitWithArenas = 96 * kMiB;
constexpr size_t kSmall = 40;
constexpr size_t kMedium = 20 * kKiB;
constexpr size_t kLarge = 300 * kKiB;
constexpr size_t kHuge = 5 * kMiB;

// Blocks linked through themselves.
class Chain {
 public:
  bool Push(size_t size) { return PushBlock(malloc(size)); }
  bool PushZeroed(size_t size) { return PushBlock(calloc(1, size)); }
  bool Pop() {
    if (first_ == nullptr) return false;
    Node* node = first_;
    first_ = node->next;
    free(node);
    return true;
  }
  // All there is; the bytes.
  size_t Fill(size_t size) {
    size_t bytes = 0;
    while (Push(size)) bytes += size;
    return bytes;
  }
  void FreeAll() {
    while (Pop()) {
    }
  }

 private:
  struct Node {
    Node* next;
  };
  bool PushBlock(void* block) {
    if (block == nullptr) return false;
    auto* node = static_cast<Node*>(block);
    *node = {first_};
    first_ = node;
    return true;
  }
  Node* first_ = nullptr;
};

size_t FillAndFree(size_t size) {
  Chain chain;
  const size_t bytes = chain.Fill(size);
  chain.FreeAll();
  return bytes;
}

[[noreturn]] void Stop(size_t before, size_t after, size_t lost) {
  if (before > 4 * kMiB && after + lost >= before) {
    printf("ok\n");
  } else {
    printf("%zu KiB at first, then %zu\n", before / kKiB, after / kKiB);
  }
  fflush(stdout);
  _exit(0);
}

// What this thread has kept of small objects serves large blocks.
void SmallThenLarge() {
  const size_t before = FillAndFree(kLarge);
  FillAndFree(kSmall);
  Stop(before, FillAndFree(kLarge), 2 * kLarge);
}

// And of blocks: its lists may hold half of them.
void MediumThenLarge() {
  const size_t before = FillAndFree(kLarge);
  FillAndFree(kMedium);
  Stop(before, FillAndFree(kLarge), 2 * kLarge);
}

// And those that shall be zeroed, which are asked for apart.
void SmallThenZeroed() {
  const size_t before = FillAndFree(kLarge);
  FillAndFree(kSmall);
  Chain chain;
  size_t after = 0;
  while (chain.PushZeroed(kLarge)) after += kLarge;
  Stop(before, after, 2 * kLarge);
}

// And mappings, in the way of which its addresses are.
void SmallThenHuge() {
  const size_t before = FillAndFree(kHuge);
  FillAndFree(kSmall);
  Stop(before, FillAndFree(kHuge), kHuge);
}

// Freed mappings serve small objects, of which some bytes are no payload.
void HugeThenSmall() {
  const size_t before = FillAndFree(kHuge);
  Stop(before, FillAndFree(kSmall), before / 2);
}

// What was freed last is there for the next requests, but for what guards of
// regions that were given back may take.
void TheLastFreed() {
  Chain chain;
  const size_t all = chain.Fill(kMedium);
  constexpr int kSome = 10;
  for (int i = 0; i < kSome; ++i) chain.Pop();
  size_t again = all - kSome * kMedium;
  for (int i = 0; i < kSome && chain.Push(kMedium); ++i) again += kMedium;
  Stop(all, again, kSome / 2 * kMedium);
}

// Threads take turns: each waits until it is told to go on.
class Turn {
 public:
  Turn() { pthread_barrier_init(&barrier_, nullptr, 2); }
  void Wait() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

struct Other {
  Turn turn;
  pthread_t thread;

  void Start(void* (*run)(void*)) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * kKiB);
    if (pthread_create(&thread, &attributes, run, this) != 0) _exit(77);
    turn.Wait();
  }
};

void* UseSmall(void* other) {
  Turn& turn = static_cast<Other*>(other)->turn;
  turn.Wait();
  turn.Wait();
  FillAndFree(kSmall);
  turn.Wait();
  turn.Wait();
  return nullptr;
}

// What a thread keeps that makes no calls serves others, but for what nobody
// else may look into: its lists, and one region of at most 256 KiB. In secure
// as much may still be watched for writes.
void OfAnIdleThread() {
  Other other;
  other.Start(UseSmall);
  const size_t before = FillAndFree(kLarge);
  other.turn.Wait();  // it uses
  other.turn.Wait();  // it has
  Stop(before, FillAndFree(kLarge), 3 * kLarge);
}

void* UseFew(void* other) {
  Turn& turn = static_cast<Other*>(other)->turn;
  turn.Wait();
  turn.Wait();
  Chain chain;
  for (int i = 0; i < 7; ++i) chain.Push(kMedium);
  turn.Wait();
  turn.Wait();
  chain.FreeAll();
  return nullptr;
}

// The first blocks of a thread come from what all threads have in common, which
// is there for who has memory of its own, too.
void OfAllThreads() {
  constexpr int kThreads = 16;
  static Other others[kThreads];
  for (Other& other : others) other.Start(UseFew);
  const size_t before = FillAndFree(kMedium);
  for (Other& other : others) {
    other.turn.Wait();
    other.turn.Wait();
  }
  for (Other& other : others) other.turn.Wait();
  for (Other& other : others) pthread_join(other.thread, nullptr);
  Stop(before, FillAndFree(kMedium), 700 * kKiB);
}

myonly_arena* MakeArena() {
  myonly_arena* arena = nullptr;
  if (myonly_arena_create(nullptr, &arena) != MYONLY_OK) _exit(77);
  return arena;
}

// All there is, in blocks of `size`; the bytes.
size_t FillArena(myonly_arena* arena, size_t size) {
  size_t bytes = 0;
  while (myonly_arena_alloc(arena, size) != nullptr) bytes += size;
  return bytes;
}

// What was kept of the process's own blocks serves arenas.
void IntoAnArena() {
  myonly_arena* arena = MakeArena();
  const size_t before = FillArena(arena, kLarge);
  myonly_arena_reset(arena);
  FillAndFree(kSmall);
  Stop(before, FillArena(arena, kLarge), 4 * kLarge);
}

// What arenas keep of freed blocks serves the process: each a region of up to
// 256 KiB, and blocks of another one.
void OutOfArenas() {
  constexpr int kArenas = 16;
  myonly_arena* arenas[kArenas];
  for (myonly_arena*& arena : arenas) arena = MakeArena();
  const size_t before = FillAndFree(kLarge);
  for (myonly_arena* arena : arenas) {
    void* blocks[20];
    for (void*& block : blocks) block = myonly_arena_alloc(arena, kMedium);
    for (void* block : blocks) myonly_free(block);
  }
  Stop(before, FillAndFree(kLarge), 3 * kLarge);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  // The allocator looks at the limit when it begins.
  if (argc == 2) {
    char again[] = "again";
    char* arguments[] = {argv[0], argv[1], again, nullptr};
    const bool has_arenas = strstr(argv[1], "Arena") != nullptr;
    if (!LimitAddresses(has_arenas ? kLimitWithArenas : kLimitBytes)) return 77;
    execv("/proc/self/exe", arguments);
    return 77;
  }
  static constexpr struct {
    const char* name;
    void (*run)();
  } kCases[] = {{"SmallThenLarge", SmallThenLarge},
                {"HugeThenSmall", HugeThenSmall},
                {"TheLastFreed", TheLastFreed},
                {"OfAnIdleThread", OfAnIdleThread},
                {"OfAllThreads", OfAllThreads},
                {"IntoAnArena", IntoAnArena},
                {"OutOfArenas", OutOfArenas},
                {"SmallThenZeroed", SmallThenZeroed},
                {"MediumThenLarge", MediumThenLarge},
                {"SmallThenHuge", SmallThenHuge}};
  for (const auto& one : kCases) {
    if (strcmp(argv[1], one.name) == 0) one.run();
  }
  return 2;
}
