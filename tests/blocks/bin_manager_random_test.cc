// Random operations on a bin manager, compared with a model that knows every
// byte's owner. The seed is in each failure message.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "allocator/blocks/bin_index.h"
#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "gtest/gtest.h"
#include "tests/blocks/test_region.h"

namespace myonly::internal {
namespace {

constexpr size_t kMaxRegions = 6;
constexpr size_t kRegionBytes[] = {32 << 10, 64 << 10, 256 << 10, 1 << 20};

class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed) {
    bins_.set_key(kTestKey + seed);
    quick_.set_limit_bytes(Below(3) * 32 * 1024);
  }

  void Step() {
    const size_t choice = Below(1000);
    if (choice < 420) {
      Allocate(1);
    } else if (choice < 480) {
      Allocate(size_t{16} << Below(9));
    } else if (choice < 860) {
      FreeOne();
    } else if (choice < 990) {
      ResizeOne();
    } else if (choice < 995) {
      Flush(Below(2) * quick_.bytes() / 2);
    } else if (choice < 999) {
      quick_.set_limit_bytes(Below(4) * 64 * 1024);
    } else {
      while (!live_.empty()) FreeOne();
    }
  }

  // Everything that must hold at any time.
  void Check() const {
    size_t live_bytes = 0;
    size_t live_blocks = 0;
    size_t total = 0;
    BrokenInvariant broken;
    for (const auto& region : regions_) {
      ASSERT_TRUE(bins_.CheckRegion(region->start(), &live_bytes, &live_blocks,
                                    &broken))
          << broken.what;
      total += region->block_bytes();
    }
    ASSERT_TRUE(bins_.CheckBins({bins_.key(), &broken})) << broken.what;
    ASSERT_EQ(live_blocks, live_.size());
    size_t expected = 0;
    for (const auto& [start, bytes] : live_) expected += bytes;
    ASSERT_EQ(live_bytes, expected);
    // No byte is lost: what is not live is free.
    ASSERT_TRUE(quick_.Check({bins_.key(), &broken}, this)) << broken.what;
    ASSERT_EQ(live_bytes + live_blocks * Block::kTagBytes + bins_.free_bytes() +
                  quick_.bytes(),
              total);
  }

  void FreeEverything() {
    while (!live_.empty()) FreeOne();
    Flush(0);
    Check();
    EXPECT_TRUE(regions_.empty());
  }

 private:
  size_t Below(size_t bound) { return random_() % bound; }

  // Mostly small, as in programs.
  size_t RandomBlockBytes() {
    static constexpr size_t kBounds[] = {64, 256, 1024, 8192, 65536};
    return Block::BytesFor(Below(kBounds[Below(std::size(kBounds))] + 1));
  }

  char Pattern(const char* start) const {
    return static_cast<char>(reinterpret_cast<uintptr_t>(start) / 16 * 31);
  }

  void Allocate(size_t alignment) {
    const size_t bytes = RandomBlockBytes();
    Block* block = Take(bytes, alignment);
    if (block == nullptr) {
      Flush(0);
      block = Take(bytes, alignment);
    }
    if (block == nullptr) {
      ExpectNothingFits(bytes, alignment);
      if (regions_.size() == kMaxRegions) return;
      AddRegion(bytes + alignment);
      block = Take(bytes, alignment);
      ASSERT_NE(block, nullptr) << bytes << " at " << alignment;
    }
    auto* start = static_cast<char*>(block->payload());
    ASSERT_EQ(
        reinterpret_cast<uintptr_t>(start) % std::max(alignment, size_t{16}),
        0U);
    ASSERT_GE(block->size(), bytes);
    Own(start, block->usable_bytes());
  }

  Block* Take(size_t bytes, size_t alignment) {
    if (alignment != 1) return bins_.AllocateAligned(bytes, alignment);
    void* payload = quick_.TakeFor(bytes, kMinAlignment, this);
    return payload != nullptr ? Block::FromPayload(payload)
                              : bins_.Allocate(bytes);
  }

  // A search by bitmap misses no block of a bin above the request's.
  void ExpectNothingFits(size_t bytes, size_t alignment) {
    size_t wanted = RoundToQuick(bytes);
    if (alignment > 16) wanted += alignment + Block::kMinBytes;
    for (const auto& region : regions_) {
      for (const BoundaryTag& tag : region->Tags()) {
        if (tag.used || tag.size < wanted) continue;
        EXPECT_EQ(BinIndex(tag.size), BinIndex(wanted));
      }
    }
  }

  void AddRegion(size_t bytes) {
    size_t size = kRegionBytes[Below(std::size(kRegionBytes))];
    while (size < bytes * 2) size *= 2;
    regions_.push_back(std::make_unique<TestRegion>(bins_, size));
  }

  // The block is of one region and overlaps no other one.
  void Own(char* start, size_t bytes) {
    const auto region = std::find_if(
        regions_.begin(), regions_.end(),
        [start](const auto& candidate) { return candidate->Has(start); });
    ASSERT_TRUE(region != regions_.end());
    ASSERT_TRUE((*region)->Has(start + bytes - 1));
    const auto next = live_.lower_bound(start);
    ASSERT_TRUE(next == live_.end() || start + bytes <= next->first);
    if (next != live_.begin()) {
      const auto before = std::prev(next);
      ASSERT_LE(before->first + before->second, start);
    }
    live_[start] = bytes;
    memset(start, Pattern(start), bytes);
  }

  // Takes it out of the model; its contents are as they were left.
  char* Disown(std::map<char*, size_t>::iterator it) {
    char* start = it->first;
    ExpectPattern(start, it->second);
    live_.erase(it);
    return start;
  }

  void ExpectPattern(const char* start, size_t bytes) const {
    const char pattern = Pattern(start);
    ASSERT_TRUE(std::all_of(start, start + bytes,
                            [pattern](char byte) { return byte == pattern; }));
  }

  std::map<char*, size_t>::iterator RandomLive() {
    const size_t limit = regions_.size() * (1 << 20);
    char* from = static_cast<char*>(regions_[Below(regions_.size())]->start());
    const auto it = live_.lower_bound(from + Below(limit));
    return it == live_.end() ? live_.begin() : it;
  }

  void FreeOne() {
    if (live_.empty()) return;
    Block* block = Block::FromPayload(Disown(RandomLive()));
    const uint64_t word = bins_.LiveTag(block->payload());
    ASSERT_NE(word, 0U);
    if (quick_.Free(block, word, this)) return;
    if (Block* whole = bins_.FreeAndCoalesce(block)) RemoveRegion(whole);
  }

  void ResizeOne() {
    if (live_.empty()) return;
    const auto it = RandomLive();
    char* start = it->first;
    const size_t before = it->second;
    Block* block = Block::FromPayload(start);
    const size_t wanted = RandomBlockBytes();
    const bool resized = bins_.Resize(block, wanted);
    ExpectPattern(start, std::min(before, block->usable_bytes()));
    if (!resized) {
      ASSERT_EQ(block->usable_bytes(), before);
      return;
    }
    ASSERT_GE(block->size(), wanted);
    live_.erase(it);
    Own(start, block->usable_bytes());
  }

  void Flush(size_t keep_bytes) {
    while (quick_.bytes() > keep_bytes) {
      Block* whole =
          bins_.FreeAndCoalesce(quick_.TakeOldest(bins_.key(), this));
      if (whole != nullptr) RemoveRegion(whole);
    }
  }

  void RemoveRegion(Block* whole) {
    const auto region = std::find_if(
        regions_.begin(), regions_.end(),
        [whole](const auto& candidate) { return candidate->Has(whole); });
    ASSERT_TRUE(region != regions_.end());
    ASSERT_EQ(whole->size(), (*region)->block_bytes());
    bins_.RemoveRegion(whole);
    regions_.erase(region);
  }

  std::mt19937 random_;
  BinManager bins_;
  QuickLists quick_;
  std::vector<std::unique_ptr<TestRegion>> regions_;
  std::map<char*, size_t> live_;  // payload -> usable bytes
};

class BinManagerRandomTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(BinManagerRandomTest, AgreesWithTheModel) {
  Model model(GetParam());
  for (int i = 0; i < 20000; ++i) {
    model.Step();
    if (i % 64 == 0) model.Check();
    ASSERT_FALSE(HasFailure()) << "seed " << GetParam() << ", step " << i;
  }
  model.FreeEverything();
  EXPECT_FALSE(HasFailure()) << "seed " << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Seeds, BinManagerRandomTest, ::testing::Range(1U, 9U));

}  // namespace
}  // namespace myonly::internal
