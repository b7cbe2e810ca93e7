// Misuses the heap in many ways, and says "whole" if all that is live is as it
// was: for MYONLY_ON_MISUSE=report.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace {

constexpr size_t kBlocks = 200;
char* live[kBlocks];

template <typename T>
T* Launder(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

size_t SizeOf(size_t i) { return 1 + i * 37 % 5000; }

char* Block(size_t size, char byte) {
  char* block = Launder(static_cast<char*>(malloc(size)));
  if (block == nullptr) _exit(4);
  memset(block, byte, size);
  return block;
}

void Misuse(size_t size) {
  char* block = Block(size, 'a');
  free(Launder(block) + 16);
  free(block);
  free(Launder(block));
  if (realloc(Launder(block), 10) != nullptr) _exit(5);
  char* overflown = Block(size, 'b');
  Launder(overflown)[size] = 'x';
  free(overflown);
  char* stale = Block(size, 'c');
  free(stale);
  Launder(stale)[size / 2] = 'x';
}

}  // namespace

int main() {
  for (size_t i = 0; i < kBlocks; ++i) {
    live[i] = Block(SizeOf(i), static_cast<char>(i));
  }
  constexpr size_t kSizes[] = {24, 100, 1000, 3000, 20000};
  for (size_t round = 0; round < 20; ++round) {
    for (size_t size : kSizes) Misuse(size);
    for (size_t i = 0; i < 1000; ++i) free(Block(1 + i * 7 % 3000, 'd'));
  }
  for (size_t i = 0; i < kBlocks; ++i) {
    for (size_t j = 0; j < SizeOf(i); ++j) {
      if (live[i][j] != static_cast<char>(i)) return 6;
    }
  }
  constexpr char kText[] = "whole";
  return write(STDOUT_FILENO, kText, sizeof(kText) - 1) < 0 ? 2 : 0;
}
