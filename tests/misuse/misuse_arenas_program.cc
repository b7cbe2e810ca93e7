// As misuse_program.cc, for the C API: arenas, and the process heap beside
// libc's malloc.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "myonly/myonly.h"
#include "tests/misuse/modes.h"

namespace {

using myonly::testing::AboutToMisuse;
using myonly::testing::Launder;
using myonly::testing::Mode;

constexpr size_t kSmall = 40;
constexpr size_t kMedium = 3000;
constexpr size_t kLarge = size_t{200} << 10;
constexpr size_t kHuge = size_t{32} << 20;

myonly_arena* NewArena() {
  myonly_arena* arena = nullptr;
  if (myonly_arena_create(nullptr, &arena) != MYONLY_OK) abort();
  return arena;
}

void* Block(myonly_arena* arena, size_t size) {
  void* block = Launder(myonly_arena_alloc(arena, size));
  if (block == nullptr) abort();
  memset(block, 'x', size);
  return block;
}

void BadFree(void* block) {
  AboutToMisuse();
  myonly_free(Launder(block));
}

template <size_t kSize>
void DoubleFree() {
  void* block = Block(NewArena(), kSize);
  myonly_free(block);
  BadFree(block);
}

template <size_t kSize>
void FreeAfterReset() {
  myonly_arena* arena = NewArena();
  void* block = Block(arena, kSize);
  if (myonly_arena_reset(arena) != MYONLY_OK) abort();
  BadFree(block);
}

template <size_t kSize>
void FreeAfterDestroy() {
  myonly_arena* arena = NewArena();
  void* block = Block(arena, kSize);
  if (myonly_arena_destroy(arena, MYONLY_DESTROY_FREE) != MYONLY_OK) abort();
  BadFree(block);
}

// The arena lives on and has other blocks by then, all larger than the hole.
void FreeAfterResetAndNewBlocks() {
  myonly_arena* arena = NewArena();
  Block(arena, kMedium);
  void* block = Block(arena, kSmall);
  if (myonly_arena_reset(arena) != MYONLY_OK) abort();
  for (int i = 0; i < 4; ++i) Block(arena, 2 * kMedium);
  BadFree(block);
}

void ReallocAfterReset() {
  myonly_arena* arena = NewArena();
  void* block = Block(arena, kMedium);
  if (myonly_arena_reset(arena) != MYONLY_OK) abort();
  AboutToMisuse();
  Launder(myonly_realloc(Launder(block), 2 * kMedium));
}

void FreeInside() {
  BadFree(static_cast<char*>(Block(NewArena(), kMedium)) + 64);
}

void HeaderOverwritten() {
  auto* block = static_cast<char*>(Block(NewArena(), kMedium));
  memset(block - 8, 'A', 8);
  BadFree(block);
}

// The region that was kept free, and has its first block again, is looked at
// when the next one becomes free.
void OverwriteInAKeptRegion(bool is_second) {
  constexpr size_t kMost = 60000;
  constexpr int kBlocks = 300;
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.flags = MYONLY_ARENA_EXACT_BYTES;  // threads have no shares of it
  myonly_arena* arena = nullptr;
  if (myonly_arena_create(&options, &arena) != MYONLY_OK) abort();
  void* blocks[kBlocks];
  for (void*& block : blocks) block = Block(arena, kMost);
  for (void* block : blocks) myonly_free(block);
  auto* first = static_cast<char*>(Block(arena, kMost));
  auto* second = static_cast<char*>(Block(arena, kMost));
  for (void*& block : blocks) block = Block(arena, kMost);
  if (is_second) myonly_free(first);
  // What ends a region has no size.
  const uint64_t overwritten = is_second ? 0 : uint64_t{0x7ffff0};
  memcpy((is_second ? second : first) - 8, &overwritten, 8);
  AboutToMisuse();
  for (void* block : blocks) myonly_free(block);
}

void HeaderOverwrittenInAKeptRegion() { OverwriteInAKeptRegion(false); }

// Of a live block behind the first one, which is free.
void SecondHeaderOverwrittenInAKeptRegion() { OverwriteInAKeptRegion(true); }

void FreeSizedTwice() {
  void* block = Block(NewArena(), kMedium);
  myonly_free_sized(block, kMedium, 16);
  AboutToMisuse();
  myonly_free_sized(Launder(block), kMedium, 16);
}

void FreeBatchWithTheSameBlockTwice() {
  void* block = Block(NewArena(), kMedium);
  void* blocks[] = {block, nullptr, block};
  AboutToMisuse();
  myonly_free_batch(blocks, 3);
}

void FreeOfLibcsBlock() { BadFree(malloc(kSmall)); }

void FreeOfHandle() { BadFree(NewArena()); }

void TryResizeFreed() {
  void* block = Block(NewArena(), kMedium);
  myonly_free(block);
  AboutToMisuse();
  myonly_try_resize(Launder(block), kSmall, nullptr);
}

const Mode kModes[] = {
    {"DoubleFreeSmall", DoubleFree<kSmall>},
    {"DoubleFreeMedium", DoubleFree<kMedium>},
    {"DoubleFreeLarge", DoubleFree<kLarge>},
    {"DoubleFreeHuge", DoubleFree<kHuge>},
    {"FreeAfterResetSmall", FreeAfterReset<kSmall>},
    {"FreeAfterResetMedium", FreeAfterReset<kMedium>},
    {"FreeAfterResetLarge", FreeAfterReset<kLarge>},
    {"FreeAfterResetHuge", FreeAfterReset<kHuge>},
    {"FreeAfterDestroySmall", FreeAfterDestroy<kSmall>},
    {"FreeAfterDestroyMedium", FreeAfterDestroy<kMedium>},
    {"FreeAfterDestroyLarge", FreeAfterDestroy<kLarge>},
    {"FreeAfterDestroyHuge", FreeAfterDestroy<kHuge>},
    {"FreeAfterResetAndNewBlocks", FreeAfterResetAndNewBlocks},
    {"ReallocAfterReset", ReallocAfterReset},
    {"FreeInside", FreeInside},
    {"HeaderOverwritten", HeaderOverwritten},
    {"HeaderOverwrittenInAKeptRegion", HeaderOverwrittenInAKeptRegion},
    {"SecondHeaderOverwrittenInAKeptRegion",
     SecondHeaderOverwrittenInAKeptRegion},
    {"FreeSizedTwice", FreeSizedTwice},
    {"FreeBatchWithTheSameBlockTwice", FreeBatchWithTheSameBlockTwice},
    {"FreeOfLibcsBlock", FreeOfLibcsBlock},
    {"FreeOfHandle", FreeOfHandle},
    {"TryResizeFreed", TryResizeFreed},
};

}  // namespace

int main(int argc, char** argv) {
  return myonly::testing::RunMode(argc, argv, kModes,
                                  sizeof(kModes) / sizeof(kModes[0]));
}
