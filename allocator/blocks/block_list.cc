#include "allocator/blocks/block_list.h"

#include "allocator/blocks/bin_index.h"

namespace myonly::internal {

bool BlockListCheck::CheckOne(Block* block, bool quick, size_t index,
                              size_t most_bytes, size_t* bytes) const {
  if (reinterpret_cast<uintptr_t>(block) % Block::kGranularity !=
          Block::kTagBytes ||
      !has(context, block)) {
    return broken->Is("overwritten free block", block);
  }
  const BoundaryTag tag = block->Read();
  if (!block->IsSealed(key) || tag.used != quick || tag.quick != quick ||
      (quick ? QuickIndex(tag.size) : BinIndex(tag.size)) != index) {
    return broken->Is(
        quick ? "wrong block in a quick list" : "wrong block in a bin",
        block->payload());
  }
  *bytes += tag.size;
  // The list runs in a circle.
  return *bytes <= most_bytes ||
         broken->Is("overwritten free block", block->payload());
}

}  // namespace myonly::internal
