#include "allocator/blocks/block_list.h"

#include "allocator/blocks/bin_index.h"

namespace myonly::internal {

bool BlockListCheck::Check(Block* first, bool quick, size_t index,
                           size_t most_bytes, size_t* bytes) const {
  for (Block* block = first; block != nullptr; block = block->next_free()) {
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
    // It runs in a circle.
    if (*bytes > most_bytes) {
      return broken->Is("overwritten free block", block->payload());
    }
  }
  return true;
}

}  // namespace myonly::internal
