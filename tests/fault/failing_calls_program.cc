// Uses every kind of block, and goes on without those that it doesn't get; what
// it has must keep its contents. Prints "ok", or exits with 1 and says why.
//
//   failing_calls_program THREADS
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr int kBlocks = 24;
constexpr int kRounds = 90;

[[noreturn]] void Fail(const char* what) {
  ssize_t written = write(2, what, strlen(what));
  written += write(2, "\n", 1);
  _exit(written < 0 ? 2 : 1);
}

struct Block {
  char* start = nullptr;
  size_t size = 0;
  char tag = 0;

  void Fill() {
    memset(start, tag, size < kKiB ? size : kKiB);
    start[size / 2] = tag;
    start[size - 1] = tag;
  }
  void Check(size_t kept) const {
    const size_t first = kept < kKiB ? kept : kKiB;
    for (size_t i = 0; i < first; ++i) {
      if (start[i] != tag) Fail("contents were lost");
    }
    if (kept == size && (start[size / 2] != tag || start[size - 1] != tag)) {
      Fail("contents were lost at the end");
    }
  }
};

void RequireNoMemory(const void* ptr) {
  if (ptr == nullptr && errno != ENOMEM) Fail("failed without ENOMEM");
}

uint32_t Next(uint32_t* state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

size_t SizeFrom(uint32_t number) {
  constexpr size_t kSizes[] = {24,        200,       1000,       3000,
                               20 * kKiB, 60 * kKiB, 200 * kKiB, kMiB,
                               3 * kMiB,  9 * kMiB,  12 * kMiB,  40};
  return kSizes[number % 12] + number % 7;
}

void Allocate(Block* block, uint32_t number, char tag) {
  const size_t size = SizeFrom(number);
  errno = 0;
  void* ptr = nullptr;
  switch (number / 16 % 3) {
    case 0:
      ptr = malloc(size);
      RequireNoMemory(ptr);
      break;
    case 1:
      ptr = calloc(1, size);
      RequireNoMemory(ptr);
      for (size_t i = 0; ptr != nullptr && i < size; i += 509) {
        if (static_cast<char*>(ptr)[i] != 0) Fail("calloc gave old contents");
      }
      break;
    default:
      if (posix_memalign(&ptr, 4096, size) != 0) ptr = nullptr;
  }
  *block = {static_cast<char*>(ptr), size, tag};
  if (ptr != nullptr) block->Fill();
}

void Resize(Block* block, uint32_t number) {
  const size_t size = SizeFrom(number);
  errno = 0;
  void* ptr = realloc(block->start, size);
  RequireNoMemory(ptr);
  if (ptr == nullptr) return block->Check(block->size);
  const size_t kept = size < block->size ? size : block->size;
  block->start = static_cast<char*>(ptr);
  block->Check(kept);
  block->size = size;
  block->Fill();
}

void Free(Block* block) {
  if (block->start == nullptr) return;
  block->Check(block->size);
  errno = 4321;
  free(block->start);
  if (errno != 4321) Fail("free changed errno");
  block->start = nullptr;
}

void* Run(void* seed) {
  uint32_t state = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(seed));
  Block blocks[kBlocks];
  for (int round = 0; round < kRounds; ++round) {
    Block* block = &blocks[Next(&state) % kBlocks];
    const uint32_t number = Next(&state);
    if (block->start != nullptr && number % 5 < 2) {
      Resize(block, number / 5);
    } else {
      Free(block);
      Allocate(block, number / 5, static_cast<char>(round + 1));
    }
  }
  for (Block& block : blocks) Free(&block);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc == 2 ? atoi(argv[1]) : 1;
  pthread_t threads[8];
  int made = 0;
  // A thread that can't be made is not the allocator's fault.
  while (made < count - 1 && made < 8) {
    void* seed = reinterpret_cast<void*>(static_cast<uintptr_t>(made + 2));
    if (pthread_create(&threads[made], nullptr, Run, seed) != 0) break;
    ++made;
  }
  Run(reinterpret_cast<void*>(uintptr_t{1}));
  for (int i = 0; i < made; ++i) pthread_join(threads[i], nullptr);
  // It can have memory again, as far as nothing is refused for ever.
  ssize_t written = write(1, "ok\n", 3);
  return written == 3 ? 0 : 2;
}
