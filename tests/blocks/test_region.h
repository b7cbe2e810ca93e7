// Memory that a bin manager cuts into blocks, and a look at all of it.
#ifndef MYONLY_TESTS_BLOCKS_TEST_REGION_H_
#define MYONLY_TESTS_BLOCKS_TEST_REGION_H_

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/quick_lists.h"

namespace myonly::internal {

inline constexpr uint64_t kTestKey = 0x9fb21c651e98df25;

class TestRegion {
 public:
  static constexpr size_t kAlignment = 64 * 1024;

  TestRegion(BinManager& bins, size_t bytes)
      : bins_(bins),
        bytes_(bytes),
        start_(::operator new (bytes, std::align_val_t{kAlignment})) {
    bins.AddRegion(start_, bytes);
  }
  TestRegion(const TestRegion&) = delete;
  TestRegion& operator=(const TestRegion&) = delete;
  ~TestRegion() { ::operator delete (start_, std::align_val_t{kAlignment}); }

  void* start() const { return start_; }
  size_t bytes() const { return bytes_; }
  // Of the only block while all is free.
  size_t block_bytes() const { return bytes_ - BinManager::kRegionOverhead; }
  Block* first() const { return At(Block::kTagBytes); }
  Block* sentinel() const { return At(bytes_ - Block::kTagBytes); }
  bool Has(const void* address) const {
    const auto* byte = static_cast<const char*>(address);
    const auto* start = static_cast<const char*>(start_);
    return byte >= start && byte < start + bytes_;
  }

  // All blocks in the order of addresses, without the sentinel.
  std::vector<BoundaryTag> Tags() const {
    std::vector<BoundaryTag> tags;
    for (Block* block = first(); block->size() != 0; block = block->Next()) {
      tags.push_back(block->Read());
    }
    return tags;
  }

  // Every invariant of this region and of the bins; `live_blocks` are live.
  bool Check(size_t live_blocks) const {
    size_t live_bytes = 0;
    size_t blocks = 0;
    BrokenInvariant broken;
    return bins_.CheckRegion(start_, &live_bytes, &blocks, &broken) &&
           bins_.CheckBins({bins_.key(), &broken}) && blocks == live_blocks;
  }

 private:
  Block* At(size_t offset) const {
    return reinterpret_cast<Block*>(static_cast<char*>(start_) + offset);
  }

  BinManager& bins_;
  const size_t bytes_;
  void* const start_;
};

// A bin manager with one region.
struct OneRegion {
  explicit OneRegion(size_t bytes) {
    bins.set_key(kTestKey);
    region = std::make_unique<TestRegion>(bins, bytes);
  }

  // Past the quick lists, so that the result can be foreseen.
  Block* Free(Block* block) { return bins.FreeAndCoalesce(block); }
  // By way of them.
  Block* Allocate(size_t bytes) {
    void* payload = quick.TakeFor(bytes, kMinAlignment, this);
    return payload != nullptr ? Block::FromPayload(payload)
                              : bins.Allocate(bytes);
  }
  bool FreeQuick(Block* block) {
    return quick.Free(block, block->Load(), this);
  }
  // Until a region is wholly free, its only block; NULL: the lists are empty.
  Block* Flush() {
    while (quick.bytes() != 0) {
      Block* whole = bins.FreeAndCoalesce(quick.TakeOldest(kTestKey, this));
      if (whole != nullptr) return whole;
    }
    return nullptr;
  }
  bool Check(size_t live_blocks) const {
    BrokenInvariant broken;
    return region->Check(live_blocks) && quick.Check({kTestKey, &broken}, this);
  }

  BinManager bins;
  QuickLists quick;
  std::unique_ptr<TestRegion> region;
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_BLOCKS_TEST_REGION_H_
