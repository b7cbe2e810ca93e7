// Walks over the blocks of a region while the region's owner, who may hold no
// lock, cuts and joins them: for walks, explanations and crash handlers.
//
// From tag to tag by size. The owner writes the tag of a block that it cuts off
// before the one that leads there, and leaves one that it has swallowed; so a
// tag that is reached was a block's at some moment since the walk began, and no
// block that is live all the while is passed over. A tag that isn't sealed any
// more (its block was swallowed, and what had its memory then was written to)
// makes the walk begin again, behind what it has shown. Takes no lock, and its
// memory stays readable: async-signal-safe.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BLOCK_READER_H_
#define MYONLY_ALLOCATOR_BLOCKS_BLOCK_READER_H_

#include <cstddef>
#include <cstdint>

#include "allocator/blocks/block.h"

namespace myonly::internal {

class BlockReader {
 public:
  // The region [start, start + bytes), whose seals have `key`. Blocks whose
  // payload begins below `from` are not shown.
  BlockReader(char* start, size_t bytes, uint64_t key,
              const char* from = nullptr);

  // Goes to the next block. False: there is none.
  bool Next();

  // Of this block.
  char* payload() const { return reinterpret_cast<char*>(block_) + kTag; }
  size_t usable_bytes() const { return Block::SizeIn(word_) - kTag; }
  bool is_live() const { return tag_.used && !tag_.quick; }
  // Freed, and waits somewhere as it is.
  bool is_quick() const { return tag_.used && tag_.quick; }
  // Of a free block: what of its pages has been purged.
  size_t purged_bytes() const;

  // It ended because of a tag that isn't sealed, although it was given time.
  bool is_damaged() const { return is_damaged_; }
  // Where it ended.
  const char* end() const { return reinterpret_cast<const char*>(block_); }

 private:
  static constexpr size_t kTag = Block::kTagBytes;

  bool Begin();
  bool Step();
  bool IsSealed(const Block* block, uint64_t word) const {
    return Block::IsSealedPlain(block, key_, Block::WithoutQuick(word));
  }

  char* const start_;
  const char* const limit_;
  const uint64_t key_;
  const char* from_;
  Block* block_ = nullptr;
  uint64_t word_ = 0;
  BoundaryTag tag_ = {};
  bool is_damaged_ = false;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BLOCK_READER_H_
