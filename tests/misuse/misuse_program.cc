// Misuses malloc and free in the one way that its argument names.
//
// It writes "misuse" to standard output just before the call that has to end
// the process, and exits with code 3 if it came through. Built twice: with
// the allocator linked in, and plain for LD_PRELOAD.
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "tests/misuse/modes.h"

namespace {

using myonly::testing::AboutToMisuse;
using myonly::testing::Launder;
using myonly::testing::Mode;

constexpr size_t kSmall = 40;
constexpr size_t kMedium = 3000;
constexpr size_t kLarge = size_t{200} << 10;
constexpr size_t kHuge = size_t{32} << 20;
constexpr size_t kPage = 4096;
constexpr size_t kSlice = size_t{32} << 10;
constexpr size_t kHeaderBytes = 8;

char global_bytes[256] __attribute__((aligned(16)));

// Not inlined, else the compiler warns of what these programs are made for.
__attribute__((noinline)) void Free(void* block) { free(block); }

char* Block(size_t size) {
  auto* block = static_cast<char*>(Launder(malloc(size)));
  if (block == nullptr) abort();
  memset(block, 'x', size);
  return block;
}

// Three blocks; the middle one has a live neighbour on either side.
struct Neighbours {
  char* before;
  char* middle;
  char* after;

  explicit Neighbours(size_t size)
      : before(Block(size)), middle(Block(size)), after(Block(size)) {}
};

void WarmUp() {
  for (size_t size = 16; size <= 1024; size += 16) {
    char* blocks[24];
    for (char*& block : blocks) block = Block(size);
    for (char* block : blocks) Free(block);
  }
}

void BadFree(void* block) {
  AboutToMisuse();
  Free(Launder(block));
}

void BadRealloc(void* block, size_t size) {
  AboutToMisuse();
  Launder(realloc(Launder(block), size));
}

// --- Double free ----------------------------------------------------------

template <size_t kSize>
void DoubleFree() {
  char* block = Block(kSize);
  Free(block);
  BadFree(block);
}

// Other blocks come and go in between, none of which fits into the hole.
template <size_t kSize>
void DoubleFreeLater() {
  const Neighbours blocks(kSize);
  Free(blocks.middle);
  for (size_t i = 0; i < 100; ++i) Free(Block(2 * kSize + 64 * i));
  BadFree(blocks.middle);
}

template <size_t kSize>
void DoubleFreeAfterCoalescing() {
  const Neighbours blocks(kSize);
  Free(blocks.before);
  Free(blocks.after);
  Free(blocks.middle);
  BadFree(blocks.middle);
}

template <size_t kSize>
void DoubleFreeOfSecondHalfAfterCoalescing() {
  const Neighbours blocks(kSize);
  Free(blocks.middle);
  Free(blocks.before);
  BadFree(blocks.middle);
}

template <size_t kSize>
void DoubleFreeAfterNeighboursWereReused() {
  const Neighbours blocks(kSize);
  Free(blocks.middle);
  Free(blocks.before);
  Free(blocks.after);
  const char* const reused[] = {Block(kSize), Block(kSize)};
  for (const char* block : reused) {
    // Where the middle block itself came back, it is live: free it properly.
    if (block == blocks.middle) Free(blocks.middle);
  }
  BadFree(blocks.middle);
}

void DoubleFreeCalloc() {
  void* block = Launder(calloc(10, 10));
  Free(block);
  BadFree(block);
}

void DoubleFreeAligned() {
  void* block = Launder(aligned_alloc(kPage, kPage));
  Free(block);
  BadFree(block);
}

void DoubleFreeByAnotherThread() {
  char* block = Block(kSmall);
  Free(block);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    BadFree(argument);
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, run, block) != 0) return;
  pthread_join(thread, nullptr);
}

void FreeAfterReallocMovedIt() {
  const Neighbours blocks(kMedium);
  void* moved = Launder(realloc(blocks.middle, kHuge));
  if (moved == blocks.middle) abort();
  BadFree(blocks.middle);
}

void DoubleDelete() {
  void* volatile block = operator new(kSmall);
  operator delete(block);
  AboutToMisuse();
  operator delete(block);
}

void DoubleDeleteArray() {
  void* volatile block = operator new[](kMedium);
  operator delete[](block);
  AboutToMisuse();
  operator delete[](block);
}

void DoubleDeleteAligned() {
  constexpr auto kAlignment = static_cast<std::align_val_t>(64);
  void* volatile block = operator new(kSmall, kAlignment);
  operator delete(block, kAlignment);
  AboutToMisuse();
  operator delete(block, kAlignment);
}

// --- Addresses that never were a block's ------------------------------------

template <size_t kSize, size_t kOffset>
void FreeInside() {
  BadFree(Block(kSize) + kOffset);
}

// The bytes before the address look like the block's own header.
void FreeInsideWithCopiedHeader() {
  char* block = Block(kMedium);
  char* inside = block + 512;
  memcpy(inside - kHeaderBytes, block - kHeaderBytes, kHeaderBytes);
  BadFree(inside);
}

void FreeStack() {
  char local[256] __attribute__((aligned(16)));
  memset(local, 0, sizeof(local));
  BadFree(local + 64);
}

void FreeGlobal() { BadFree(global_bytes + 64); }

void FreeFunction() { BadFree(reinterpret_cast<void*>(&FreeGlobal)); }

void FreeLowAddress() { BadFree(reinterpret_cast<void*>(uintptr_t{16})); }

void FreeHighAddress() { BadFree(reinterpret_cast<void*>(~uintptr_t{0} - 15)); }

void FreeForeignMapping() {
  void* pages = mmap(nullptr, size_t{1} << 20, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) abort();
  BadFree(static_cast<char*>(pages) + kPage);
}

// --- Overwritten headers
// ------------------------------------------------------

template <size_t kSize, int kByte>
void FreeWithOverwrittenHeader() {
  const Neighbours blocks(kSize);
  memset(blocks.middle - kHeaderBytes, kByte, kHeaderBytes);
  BadFree(blocks.middle);
}

// All the bytes a block may hold and some more, then both are freed; one of
// the two calls must notice.
template <size_t kSize>
void OverflowThenFreeThisAndNext() {
  const Neighbours blocks(kSize);
  memset(blocks.middle, 'A', malloc_usable_size(blocks.middle) + 8);
  AboutToMisuse();
  Free(Launder(blocks.middle));
  Free(Launder(blocks.after));
  Free(Launder(blocks.before));
}

template <size_t kSize>
void OverflowThenFreeNext() {
  const Neighbours blocks(kSize);
  memset(blocks.middle, 'A', malloc_usable_size(blocks.middle) + 8);
  AboutToMisuse();
  Free(Launder(blocks.after));
  Free(Launder(blocks.middle));
  Free(Launder(blocks.before));
}

void ReallocWithOverwrittenHeader() {
  char* block = Block(kMedium);
  memset(block - kHeaderBytes, 'A', kHeaderBytes);
  BadRealloc(block, 2 * kMedium);
}

// --- realloc and malloc_usable_size
// -------------------------------------------

template <size_t kSize>
void ReallocFreed() {
  const Neighbours blocks(kSize);
  Free(blocks.middle);
  BadRealloc(blocks.middle, 2 * kSize);
}

void ReallocInside() { BadRealloc(Block(kMedium) + 64, kSmall); }

void ReallocStack() {
  char local[256] __attribute__((aligned(16)));
  memset(local, 0, sizeof(local));
  BadRealloc(local + 64, kSmall);
}

// Asks for the size of an address that is no block's. Any answer will do, but
// the heap has to work afterwards.
void UsableSize(void* address) {
  AboutToMisuse();
  Launder(reinterpret_cast<void*>(malloc_usable_size(Launder(address))));
  const Neighbours blocks(kMedium);
  Free(blocks.before);
  Free(blocks.middle);
  Free(blocks.after);
}

void UsableSizeOfFreed() {
  const Neighbours blocks(kMedium);
  Free(blocks.middle);
  UsableSize(blocks.middle);
}

void UsableSizeInside() { UsableSize(Block(kMedium) + 64); }

void UsableSizeOfStack() {
  char local[64];
  memset(local, 0, sizeof(local));
  UsableSize(local);
}

// --- Write after free ------------------------------------------------------

// Into the first two words of what was freed, where its link is.
template <size_t kSize, size_t kOffset>
void WriteAfterFree() {
  char* blocks[8];
  for (char*& block : blocks) block = Block(kSize);
  for (char* block : blocks) Free(block);
  for (char* block : blocks) {
    auto* words = static_cast<char**>(Launder(block));
    words[kOffset] = global_bytes + 64;
  }
  AboutToMisuse();
  for (int i = 0; i < 1000; ++i) Launder(malloc(kSize));
}

const Mode kModes[] = {
    {"DoubleFreeSmall", DoubleFree<kSmall>},
    {"DoubleFreeMedium", DoubleFree<kMedium>},
    {"DoubleFreeLarge", DoubleFree<kLarge>},
    {"DoubleFreeHuge", DoubleFree<kHuge>},
    {"DoubleFreeSmallLater", DoubleFreeLater<kSmall>},
    {"DoubleFreeMediumLater", DoubleFreeLater<kMedium>},
    {"DoubleFreeLargeLater", DoubleFreeLater<kLarge>},
    {"DoubleFreeSmallCoalesced", DoubleFreeAfterCoalescing<kSmall>},
    {"DoubleFreeMediumCoalesced", DoubleFreeAfterCoalescing<kMedium>},
    {"DoubleFreeLargeCoalesced", DoubleFreeAfterCoalescing<kLarge>},
    {"DoubleFreeSmallSecondHalf",
     DoubleFreeOfSecondHalfAfterCoalescing<kSmall>},
    {"DoubleFreeMediumSecondHalf",
     DoubleFreeOfSecondHalfAfterCoalescing<kMedium>},
    {"DoubleFreeLargeSecondHalf",
     DoubleFreeOfSecondHalfAfterCoalescing<kLarge>},
    {"DoubleFreeSmallNeighboursReused",
     DoubleFreeAfterNeighboursWereReused<kSmall>},
    {"DoubleFreeMediumNeighboursReused",
     DoubleFreeAfterNeighboursWereReused<kMedium>},
    {"DoubleFreeLargeNeighboursReused",
     DoubleFreeAfterNeighboursWereReused<kLarge>},
    {"DoubleFreeCalloc", DoubleFreeCalloc},
    {"DoubleFreeAligned", DoubleFreeAligned},
    {"DoubleFreeByAnotherThread", DoubleFreeByAnotherThread},
    {"FreeAfterReallocMovedIt", FreeAfterReallocMovedIt},
    {"DoubleDelete", DoubleDelete},
    {"DoubleDeleteArray", DoubleDeleteArray},
    {"DoubleDeleteAligned", DoubleDeleteAligned},
    {"FreeInsideSmallBy16", FreeInside<kSmall, 16>},
    {"FreeInsideSmallBy8", FreeInside<kSmall, 8>},
    {"FreeInsideSmallBy1", FreeInside<kSmall, 1>},
    {"FreeInsideMediumBy16", FreeInside<kMedium, 16>},
    {"FreeInsideMediumBy8", FreeInside<kMedium, 8>},
    {"FreeInsideMediumBy1", FreeInside<kMedium, 1>},
    {"FreeInsideMediumByHalf", FreeInside<kMedium, 1504>},
    {"FreeInsideMediumCopiedHeader", FreeInsideWithCopiedHeader},
    {"FreeInsideLargeBy16", FreeInside<kLarge, 16>},
    {"FreeInsideLargeBy1", FreeInside<kLarge, 1>},
    {"FreeInsideLargeByPage", FreeInside<kLarge, kPage>},
    {"FreeInsideLargeBySlice", FreeInside<kLarge, kSlice>},
    {"FreeInsideHugeBy16", FreeInside<kHuge, 16>},
    {"FreeInsideHugeBy1", FreeInside<kHuge, 1>},
    {"FreeInsideHugeByPage", FreeInside<kHuge, kPage>},
    {"FreeInsideHugeByHalf", FreeInside<kHuge, kHuge / 2>},
    {"FreeStack", FreeStack},
    {"FreeGlobal", FreeGlobal},
    {"FreeFunction", FreeFunction},
    {"FreeLowAddress", FreeLowAddress},
    {"FreeHighAddress", FreeHighAddress},
    {"FreeForeignMapping", FreeForeignMapping},
    {"HeaderZeroedSmall", FreeWithOverwrittenHeader<kSmall, 0>},
    {"HeaderZeroedMedium", FreeWithOverwrittenHeader<kMedium, 0>},
    {"HeaderFilledSmall", FreeWithOverwrittenHeader<kSmall, 0xff>},
    {"HeaderFilledMedium", FreeWithOverwrittenHeader<kMedium, 0xff>},
    {"HeaderTextSmall", FreeWithOverwrittenHeader<kSmall, 'A'>},
    {"HeaderTextMedium", FreeWithOverwrittenHeader<kMedium, 'A'>},
    {"OverflowSmallFreeThis", OverflowThenFreeThisAndNext<kSmall>},
    {"OverflowMediumFreeThis", OverflowThenFreeThisAndNext<kMedium>},
    {"OverflowSmallFreeNext", OverflowThenFreeNext<kSmall>},
    {"OverflowMediumFreeNext", OverflowThenFreeNext<kMedium>},
    {"WriteLinkSmall", WriteAfterFree<kSmall, 0>},
    {"WriteLinkMedium", WriteAfterFree<kMedium, 0>},
    {"WriteMarkSmall", WriteAfterFree<kSmall, 1>},
    {"WriteMarkMedium", WriteAfterFree<kMedium, 1>},
    {"ReallocHeaderText", ReallocWithOverwrittenHeader},
    {"ReallocFreedSmall", ReallocFreed<kSmall>},
    {"ReallocFreedMedium", ReallocFreed<kMedium>},
    {"ReallocFreedLarge", ReallocFreed<kLarge>},
    {"ReallocFreedHuge", ReallocFreed<kHuge>},
    {"ReallocInside", ReallocInside},
    {"ReallocStack", ReallocStack},
    {"UsableSizeOfFreed", UsableSizeOfFreed},
    {"UsableSizeInside", UsableSizeInside},
    {"UsableSizeOfStack", UsableSizeOfStack},
};

}  // namespace

// `misuse mode warm`: only a program that has asked for a size a few times
// before gets objects of slabs.
int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[2], "warm") == 0) {
    WarmUp();
    --argc;
  }
  return myonly::testing::RunMode(argc, argv, kModes,
                                  sizeof(kModes) / sizeof(kModes[0]));
}
