// The blocks of one heap: free ones sorted into bins by size, over regions that
// the caller brings.
//
// Allocate: the bin of the size, else the victim, else the smallest non-empty
//           bin that fits (bitmap scan); the rest is split off.
// Free:     coalesced with both neighbours and binned.
// Invariants: no two free blocks are adjacent; every free block but the victim
// is in the bin of its size; a bin's bit is set iff its list is not empty;
// every tag is sealed; sizes of neighbours agree. The victim is a large rest
// that blocks are cut off, one after the other, and that what is freed beside
// it joins: neither changes a bin (Lea, "A Memory Allocator", 2000, has such a
// "designated victim").
//
// Externally synchronised: the arena's lock is held on every call.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BIN_MANAGER_H_
#define MYONLY_ALLOCATOR_BLOCKS_BIN_MANAGER_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/bitmap.h"
#include "allocator/base/check.h"
#include "allocator/base/invariant.h"
#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"
#include "allocator/blocks/bin_index.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/block_list.h"

namespace myonly::internal {

class BinManager {
 public:
  constexpr BinManager() = default;

  // Bytes of a region that its first tag's place and its sentinel take.
  static constexpr size_t kRegionOverhead = 16;

  // The key of all seals: a random number, made odd. Set it while there is no
  // region.
  void set_key(uint64_t key) { key_ = key | 1; }
  bool has_key() const { return key_ != kNoKey; }
  uint64_t key() const { return key_; }
  uint64_t PeekKey() const { return Peek(key_); }

  // Cuts [start, start + bytes) into blocks from now on: one free block at
  // first. Both are multiples of 16, `bytes` at most 4 MiB.
  void AddRegion(void* start, size_t bytes);

  // The region that ends at `end` goes on for `bytes`, a multiple of 16: they
  // are free now.
  ABSL_ATTRIBUTE_COLD void ExtendRegion(void* end, size_t bytes);

  // Takes a wholly free region back: `first` is its only block.
  void RemoveRegion(Block* first) { Remove(first, first->size()); }

  // Forgets all regions and blocks.
  void Reset();

  // A block of at least `bytes` (a result of Block::BytesFor), or NULL: it
  // needs a region that has RoundToQuick(bytes).
  Block* Allocate(size_t bytes) { return TakeFromBins(RoundToQuick(bytes)); }

  // As Allocate, with the payload at a multiple of `alignment`, a power of two.
  Block* AllocateAligned(size_t bytes, size_t alignment);

  // Frees a live block, or one with the quick flag, and coalesces it. Returns
  // the only block of a region that is now wholly free (the caller may take the
  // region back), or NULL.
  Block* FreeAndCoalesce(Block* block);

  // Resizes a live block in place. False: nothing changed.
  bool Resize(Block* block, size_t bytes);

  // `ptr`'s tag if it is the payload of a live block, else 0. Reads only the
  // eight bytes before `ptr`; their seal depends on the address, so that its
  // alignment needs no check.
  uint64_t LiveTag(void* ptr) const {
    const Block* place = Block::FromPayload(ptr);
    const uint64_t word = Block::LoadAnywhere(place);
    if (ABSL_PREDICT_FALSE(!Block::IsSealedPlain(place, key_, word) ||
                           !Block::IsUsed(word))) {
      return 0;
    }
    return word;
  }
  // The tag after a live block is intact, and knows its size: an older tag of
  // the same place has a good seal, too.
  bool NextFollows(Block* block, uint64_t word) const {
    const size_t bytes = Block::SizeIn(word);
    const Block* next = block->Next(bytes);
    return next->IsSealed(key_) && next->FollowsSize(bytes);
  }

  // What is wrong with freeing `ptr`, an address in the region that begins at
  // `region`. Walks the region.
  const char* Diagnose(void* region, const void* ptr) const;

  // Calls purge(start, bytes) for the payload, links excluded, of each free
  // block of at least `least_bytes` in the region that begins at `region`;
  // once, and unless `at_once` not before a walk has found it as the walk
  // before did. Those that come first and make up `*keep_bytes`, of which they
  // are taken off, are left alone. Returns the number of blocks walked over.
  template <typename Purge>
  size_t PurgeRegion(void* region, size_t least_bytes, bool at_once,
                     size_t* keep_bytes, Purge purge) {
    size_t blocks = 1;
    for (Block* block = FirstBlock(region); block->size() != 0;
         block = block->Next(), ++blocks) {
      CheckSealed(block);
      BoundaryTag tag = block->Read();
      if (tag.used || tag.purged) continue;
      const size_t kept = Min(*keep_bytes, tag.size);
      *keep_bytes -= kept;
      if (kept == tag.size || tag.size < least_bytes) continue;
      tag.purged = tag.aged || at_once;
      tag.aged = true;
      block->Write(key_, tag);
      if (!tag.purged) continue;
      purge(reinterpret_cast<char*>(block) + sizeof(Block),
            tag.size - sizeof(Block));
    }
    return blocks;
  }

  // Checks the region that begins at `region`; adds up the live blocks' usable
  // bytes and count. False if a tag is broken or disagrees with a neighbour's;
  // `*broken` says which.
  ABSL_ATTRIBUTE_COLD bool CheckRegion(void* region, size_t* live_bytes,
                                       size_t* live_blocks,
                                       BrokenInvariant* broken) const;
  // Checks lists and bitmap.
  ABSL_ATTRIBUTE_COLD bool CheckBins(const BlockListCheck& check) const;

  // The tag's word; dies if it was overwritten.
  uint64_t CheckedWord(Block* block) const {
    const uint64_t word = block->Load();
    if (ABSL_PREDICT_FALSE(!block->IsSealed(key_, word))) {
      ReportHeader(block);
    }
    return word;
  }
  void CheckSealed(Block* block) const { CheckedWord(block); }

  // Bytes of free blocks.
  size_t free_bytes() const { return free_bytes_ + victim_bytes_; }
  // The same by who holds no lock.
  size_t PeekFreeBytes() const {
    return Peek(free_bytes_) + Peek(victim_bytes_);
  }

 private:
  static Block* FirstBlock(void* region) {
    return reinterpret_cast<Block*>(static_cast<char*>(region) +
                                    Block::kTagBytes);
  }
  Block* TakeFromBins(size_t bytes);
  Block* FindInBins(size_t bytes, size_t exact);
  // The victim's first `bytes` become a used block, and its rest the victim.
  Block* CutVictim(size_t bytes);
  // The larger one of `rest` and the victim is the victim from now on, the
  // other one is in its bin.
  void OfferVictim(Block* rest, size_t bytes);
  // Makes a used block smaller; the end becomes free.
  ABSL_ATTRIBUTE_NOINLINE void SplitOff(Block* block, size_t bytes);
  // Makes a used block free; returns it if it spans its region.
  ABSL_ATTRIBUTE_NOINLINE Block* Coalesce(Block* block, uint64_t word);
  // Writes the tag of a free block and what its next block says of it.
  void MakeFree(Block* block, size_t bytes, size_t previous_size);

  ABSL_ATTRIBUTE_NOINLINE void Insert(Block* block, size_t bytes);
  ABSL_ATTRIBUTE_NOINLINE void Remove(Block* block, size_t bytes);
  void Replace(Block* from, size_t from_bytes, Block* to, size_t to_bytes);
  void CheckLinks(Block* block, size_t index) const;
  // A link leads to where blocks are. What it leads to can be read then.
  bool IsInside(const Block* link) const {
    return reinterpret_cast<uintptr_t>(link) - low_ < span_;
  }
  // Blocks are in [start, start + bytes), too.
  void NoteRegion(const void* start, size_t bytes);
  [[noreturn]] ABSL_ATTRIBUTE_COLD static void ReportOverwritten(Block* block);
  [[noreturn]] ABSL_ATTRIBUTE_COLD static void ReportHeader(Block* block);

  // Under which nothing looks like a tag either, more often than by chance.
  static constexpr uint64_t kNoKey = 0x9e3779b97f4a7c15;

  uint64_t key_ = kNoKey;
  Block* victim_ = nullptr;
  size_t victim_bytes_ = 0;
  size_t free_bytes_ = 0;  // in bins
  uintptr_t low_ = 0;      // all regions are in [low_, low_ + span_)
  size_t span_ = 0;
  Bitmap<kNumBins> bins_with_;
  Block* bins_[kNumBins] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BIN_MANAGER_H_
