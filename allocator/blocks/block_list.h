// Checks a list of free blocks, whose links may have been overwritten: none is
// followed to where no block can be.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BLOCK_LIST_H_
#define MYONLY_ALLOCATOR_BLOCKS_BLOCK_LIST_H_

#include <cstddef>
#include <cstdint>

#include "allocator/base/invariant.h"
#include "allocator/blocks/block.h"

namespace myonly::internal {

struct BlockListCheck {
  // Whether a region has the address.
  using HasAddress = bool (*)(const void* context, const void* address);
  static bool HasAny(const void* /*context*/, const void* /*address*/) {
    return true;
  }

  uint64_t key;  // of the seals
  BrokenInvariant* broken;
  HasAddress has = HasAny;
  const void* context = nullptr;

  // A block of list number `index` of bins or of quick lists. `*bytes` grows by
  // its own, at most to `most_bytes`. False: `*broken` says what is wrong.
  bool CheckOne(Block* block, bool quick, size_t index, size_t most_bytes,
                size_t* bytes) const;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BLOCK_LIST_H_
