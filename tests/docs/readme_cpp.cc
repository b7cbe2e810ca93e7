// The C++ example of README.md, as it is there.
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"

int main() {
  myonly::arena arena("numbers", /*limit_bytes=*/1 << 20);
  if (!arena) return 1;
  std::vector<int, myonly::arena_allocator<int>> numbers{
      myonly::arena_allocator<int>(arena)};
  for (int i = 0; i < 1000; ++i) numbers.push_back(i);
  return arena.stats().live_blocks == 1 ? 0 : 1;
}
