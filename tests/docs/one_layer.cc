// The example of allocator/README.md: the bins over an array of the caller's,
// and no other layer.
#include <cstdio>

#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"

using myonly::internal::BinManager;
using myonly::internal::Block;

alignas(16) char memory[64 * 1024];

int main() {
  static BinManager bins;
  bins.set_key(0x2545f4914f6cdd1d);  // of the seals: any random number
  bins.AddRegion(memory, sizeof(memory));
  Block* first = bins.Allocate(Block::BytesFor(100));
  Block* second = bins.Allocate(Block::BytesFor(1000));
  if (first == nullptr || second != first->Next()) return 1;
  bins.FreeAndCoalesce(first);
  Block* whole = bins.FreeAndCoalesce(second);
  if (whole == nullptr) return 1;
  std::printf("one free block of %zu bytes again\n", whole->size());
  return whole->size() == sizeof(memory) - BinManager::kRegionOverhead ? 0 : 1;
}
