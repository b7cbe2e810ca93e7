// Allocates and frees COUNT blocks in one of several patterns, for counting
// instructions. Every pattern warms the heap up first; what that, the start
// and the loop cost is the same for every COUNT.
//
//   block_pairs PATTERN LEAST_SIZE MOST_SIZE COUNT
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <new>

#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "myonly/myonly.h"

namespace {

using myonly::internal::BinManager;
using myonly::internal::Block;

constexpr size_t kWarmUp = 4096;

alignas(4096) char region[size_t{1} << 20];

// Sizes from a table, so that choosing one costs the same in all patterns.
constexpr size_t kSizes = 256;
uint32_t sizes[kSizes];

void FillSizes(uint32_t least, uint32_t most) {
  uint32_t state = 12345;
  for (uint32_t& size : sizes) {
    state = state * 1664525 + 1013904223;
    size = least + (state >> 8) % (most - least + 1);
  }
}

// Keeps the compiler from dropping a pair.
void Keep(void* ptr) { asm volatile("" : : "r"(ptr) : "memory"); }

// What the patterns share and the test subtracts.
__attribute__((noinline)) void Loop(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Keep(reinterpret_cast<void*>(static_cast<uintptr_t>(sizes[i % kSizes])));
  }
}

// The block freed last serves the next request of its size.
__attribute__((noinline)) void Pairs(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void* block = malloc(sizes[i % kSizes]);
    Keep(block);
    free(block);
  }
}

// The same by C++; and by who says how large it was.
__attribute__((noinline)) void Made(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void* block = ::operator new(sizes[i % kSizes]);
    Keep(block);
    ::operator delete(block);
  }
}
__attribute__((noinline)) void MadeSized(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void* block = ::operator new[](sizes[i % kSizes]);
    Keep(block);
    ::operator delete[](block, size_t{sizes[i % kSizes]});
  }
}
__attribute__((noinline)) void FreedSized(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void* block = malloc(sizes[i % kSizes]);
    Keep(block);
    myonly_free_sized(block, sizes[i % kSizes], sizeof(void*));
  }
}

// The same in arenas of the program that take turns: more than a thread has at
// hand. That it gets shares of them is over when the counted rounds begin.
__attribute__((noinline)) void ArenaTurns(size_t count) {
  constexpr size_t kArenas = 64;
  constexpr size_t kBefore = kArenas * 512;
  static myonly_arena* arenas[kArenas];
  for (myonly_arena*& arena : arenas) {
    if (myonly_arena_create(nullptr, &arena) != MYONLY_OK) abort();
  }
  for (size_t i = 0; i < kBefore + count; ++i) {
    void* block = myonly_arena_alloc(arenas[i % kArenas], sizes[i % kSizes]);
    Keep(block);
    free(block);
  }
}

// The same in an arena of the program.
__attribute__((noinline)) void ArenaPairs(size_t count) {
  static myonly_arena* const arena = [] {
    myonly_arena* made = nullptr;
    if (myonly_arena_create(nullptr, &made) != MYONLY_OK) abort();
    return made;
  }();
  for (size_t i = 0; i < count; ++i) {
    void* block = myonly_arena_alloc(arena, sizes[i % kSizes]);
    Keep(block);
    free(block);
  }
}

// Requests of 500 blocks, each in an arena that is reset after it, or destroyed
// and made anew.
template <typename End>
void InRequests(size_t count, myonly_arena** arena, End end) {
  constexpr size_t kBlocks = 500;
  for (size_t i = 0; i < count; ++i) {
    Keep(myonly_arena_alloc(*arena, sizes[i % kSizes]));
    if (i % kBlocks == kBlocks - 1) end();
  }
}
void Renew(myonly_arena** arena) {
  if (*arena != nullptr) myonly_arena_destroy(*arena, MYONLY_DESTROY_FREE);
  if (myonly_arena_create(nullptr, arena) != MYONLY_OK) abort();
}
__attribute__((noinline)) void ArenaResets(size_t count) {
  static myonly_arena* arena = nullptr;
  if (arena == nullptr) Renew(&arena);
  InRequests(count, &arena, [] { myonly_arena_reset(arena); });
}
__attribute__((noinline)) void ArenaLives(size_t count) {
  static myonly_arena* arena = nullptr;
  if (arena == nullptr) Renew(&arena);
  InRequests(count, &arena, [] { Renew(&arena); });
}

// The same without quick lists: each block is split off a large free one, and
// coalesced with it again.
__attribute__((noinline)) void SplitAndCoalesce(size_t count) {
  static BinManager bins;
  if (!bins.has_key()) {
    bins.set_key(0x9fb21c651e98df25);
    bins.AddRegion(region, sizeof(region));
  }
  for (size_t i = 0; i < count; ++i) {
    Block* block = bins.Allocate(Block::BytesFor(sizes[i % kSizes]));
    Keep(block);
    bins.FreeAndCoalesce(block);
  }
}

// A live set of blocks of all sizes; each step replaces one. What was freed
// seldom has the size that is wanted next.
__attribute__((noinline)) void Replace(size_t count) {
  constexpr size_t kLive = 61;
  static void* live[kLive];
  for (size_t i = 0; i < count; ++i) {
    void*& block = live[i % kLive];
    free(block);
    block = malloc(sizes[i % kSizes]);
  }
}

// --- What one thread allocates and another one frees. ---

constexpr size_t kMostObjects = size_t{1} << 16;
void* objects[kMostObjects];

void AllocateAll(size_t count) {
  for (size_t i = 0; i < count; ++i) objects[i] = malloc(64);
}
void FreeAll(size_t count) {
  for (size_t i = 0; i < count; ++i) free(objects[i]);
}
void InAThread(void (*run)(size_t), size_t count) {
  struct Task {
    void (*run)(size_t);
    size_t count;
  } task = {run, count};
  pthread_t thread;
  const int error = pthread_create(
      &thread, nullptr,
      [](void* arg) -> void* {
        const Task& given = *static_cast<Task*>(arg);
        given.run(given.count);
        return nullptr;
      },
      &task);
  if (error != 0) abort();
  pthread_join(thread, nullptr);
}
void Nothing(size_t /*count*/) {}

// Each pattern is one before with one step more, so that their differences are
// what the steps cost.
__attribute__((noinline)) void Allocated(size_t count) {
  AllocateAll(count);
  InAThread(Nothing, count);
}
__attribute__((noinline)) void FreedAtHome(size_t count) {
  Allocated(count);
  FreeAll(count);
}
__attribute__((noinline)) void FreedAtHomeAndTaken(size_t count) {
  FreedAtHome(count);
  AllocateAll(count);
}
__attribute__((noinline)) void FreedElsewhere(size_t count) {
  AllocateAll(count);
  InAThread(FreeAll, count);
}
__attribute__((noinline)) void FreedElsewhereAndTaken(size_t count) {
  FreedElsewhere(count);
  AllocateAll(count);
}

// --- Single calls. ---

__attribute__((noinline)) void Zeroed(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void* block = calloc(1, sizes[i % kSizes]);
    Keep(block);
    free(block);
  }
}

// One block that is made larger and smaller where it is.
__attribute__((noinline)) void Resized(size_t count) {
  AllocateAll(64);  // the first ones of a size are served in another way
  void* block = malloc(sizes[0]);
  for (size_t i = 0; i < count; ++i) {
    block = realloc(block, sizes[0] - i % 2);
    Keep(block);
  }
  free(block);
  FreeAll(64);
}

// What programs that count their memory ask of each block.
__attribute__((noinline)) void Asked(size_t count) {
  AllocateAll(64);  // as above
  void* block = malloc(sizes[0]);
  for (size_t i = 0; i < count; ++i) {
    Keep(reinterpret_cast<void*>(malloc_usable_size(block)));
  }
  free(block);
  FreeAll(64);
}

struct Pattern {
  const char* name;
  void (*run)(size_t count);
};

constexpr Pattern kPatterns[] = {
    {"loop", Loop},
    {"pairs", Pairs},
    {"made", Made},
    {"made_sized", MadeSized},
    {"freed_sized", FreedSized},
    {"arena_pairs", ArenaPairs},
    {"arena_turns", ArenaTurns},
    {"arena_resets", ArenaResets},
    {"arena_lives", ArenaLives},
    {"split_coalesce", SplitAndCoalesce},
    {"replace", Replace},
    {"allocated", Allocated},
    {"freed_at_home", FreedAtHome},
    {"freed_at_home_and_taken", FreedAtHomeAndTaken},
    {"freed_elsewhere", FreedElsewhere},
    {"freed_elsewhere_and_taken", FreedElsewhereAndTaken},
    {"zeroed", Zeroed},
    {"resized", Resized},
    {"asked", Asked},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto number = [argv](int i) { return strtoul(argv[i], nullptr, 10); };
  for (const Pattern& pattern : kPatterns) {
    if (strcmp(argv[1], pattern.name) != 0) continue;
    FillSizes(static_cast<uint32_t>(number(2)),
              static_cast<uint32_t>(number(3)));
    pattern.run(kWarmUp);
    pattern.run(number(4));
    return 0;
  }
  return 2;
}
