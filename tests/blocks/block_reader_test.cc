// What a reader sees of a region: alone, with damaged tags, and while another
// thread cuts and joins blocks and their owners write into them.
#include "allocator/blocks/block_reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "allocator/base/sizes.h"
#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "gtest/gtest.h"
#include "tests/blocks/test_region.h"
#include "tests/support/single_step.h"

namespace myonly::internal {
namespace {

constexpr size_t kRegionBytes = 256 * 1024;

class BlockReaderTest : public ::testing::Test {
 protected:
  BlockReader Reader(const char* from = nullptr) {
    return BlockReader(static_cast<char*>(heap_.region->start()), kRegionBytes,
                       kTestKey, from);
  }
  std::vector<void*> Live() {
    std::vector<void*> live;
    BlockReader reader = Reader();
    while (reader.Next()) {
      if (reader.is_live()) live.push_back(reader.payload());
    }
    EXPECT_FALSE(reader.is_damaged());
    return live;
  }

  OneRegion heap_{kRegionBytes};
};

TEST_F(BlockReaderTest, SeesEveryBlock) {
  Block* blocks[4];
  for (Block*& block : blocks) block = heap_.bins.Allocate(512);
  EXPECT_EQ(Live(),
            (std::vector<void*>{blocks[0]->payload(), blocks[1]->payload(),
                                blocks[2]->payload(), blocks[3]->payload()}));
  ASSERT_TRUE(heap_.FreeQuick(blocks[1]));
  heap_.Free(blocks[2]);
  EXPECT_EQ(Live(),
            (std::vector<void*>{blocks[0]->payload(), blocks[3]->payload()}));
  BlockReader reader = Reader();
  ASSERT_TRUE(reader.Next() && reader.Next());
  EXPECT_TRUE(reader.is_quick());
  EXPECT_EQ(reader.usable_bytes(), 512u - Block::kTagBytes);
  EXPECT_EQ(reader.payload(), blocks[1]->payload());
  ASSERT_TRUE(reader.Next());
  EXPECT_FALSE(reader.is_quick() || reader.is_live());
}

TEST_F(BlockReaderTest, GoesOnFromAnAddress) {
  Block* blocks[4];
  for (Block*& block : blocks) block = heap_.bins.Allocate(512);
  BlockReader reader = Reader(static_cast<char*>(blocks[2]->payload()));
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.payload(), blocks[2]->payload());
}

TEST_F(BlockReaderTest, EndsAtADamagedTag) {
  Block* blocks[4];
  for (Block*& block : blocks) block = heap_.bins.Allocate(512);
  const uint64_t word = blocks[2]->Load();
  memset(static_cast<void*>(blocks[2]), 0x55, Block::kTagBytes);
  BlockReader reader = Reader();
  EXPECT_TRUE(reader.Next());
  EXPECT_TRUE(reader.Next());
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.is_damaged());
  // For good: its user has drawn conclusions.
  blocks[2]->Store(word);
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.is_damaged());
}

TEST_F(BlockReaderTest, TellsWhichPagesArePurged) {
  size_t keep_bytes = 0;
  heap_.bins.PurgeRegion(heap_.region->start(), 0, /*at_once=*/true,
                         &keep_bytes, [](char* /*start*/, size_t /*bytes*/) {});
  BlockReader reader = Reader();
  ASSERT_TRUE(reader.Next());
  // All but the page with the links and the one with the sentinel.
  EXPECT_EQ(reader.purged_bytes(), kRegionBytes - 2 * kPageSize);
}

// What is in use, and what is free but was not purged.
TEST_F(BlockReaderTest, NothingElseIsPurged) {
  Block* used = heap_.bins.Allocate(8 * kPageSize + 16);
  ASSERT_NE(used, nullptr);
  BlockReader reader = Reader();
  ASSERT_TRUE(reader.Next());
  EXPECT_TRUE(reader.is_live());
  EXPECT_EQ(reader.purged_bytes(), 0U);
  ASSERT_TRUE(reader.Next());
  EXPECT_FALSE(reader.is_live());
  EXPECT_EQ(reader.purged_bytes(), 0U);
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.is_damaged());
}

// It is being made, or was given back: there is nothing to wait for.
TEST_F(BlockReaderTest, ARegionWithoutAFirstBlockIsEmptyAndNotDamaged) {
  for (const uint64_t word : {uint64_t{0}, ~uint64_t{0}}) {
    heap_.region->first()->Store(word);
    BlockReader reader = Reader();
    EXPECT_FALSE(reader.Next());
    EXPECT_FALSE(reader.is_damaged());
  }
}

// Its owner says where it ends; a tag that leads further is not believed.
TEST_F(BlockReaderTest, LooksAtNothingBehindTheRegion) {
  Block* blocks[4];
  for (Block*& block : blocks) block = heap_.bins.Allocate(512);
  const auto start = static_cast<char*>(heap_.region->start());
  for (const bool is_inside : {true, false}) {
    // To the end of the tag behind the second block, or a byte less.
    const auto bytes = static_cast<size_t>(
        static_cast<char*>(blocks[2]->payload()) - start - (is_inside ? 0 : 1));
    BlockReader reader(start, bytes, kTestKey);
    size_t seen = 0;
    while (reader.Next()) ++seen;
    EXPECT_EQ(seen, is_inside ? 3U : 2U);
    EXPECT_TRUE(reader.is_damaged());
  }
}

// What a region gets more was nobody's, whoever asks while it does.
struct Extension {
  OneRegion heap{kRegionBytes};
  BinManager bins;
  char* end = static_cast<char*>(heap.region->start()) + 4096;
  size_t seen_live = 0;

  static void Run(void* context) {
    auto* self = static_cast<Extension*>(context);
    self->bins.ExtendRegion(self->end, 4096);
  }
  static void Look(void* context) {
    auto* self = static_cast<Extension*>(context);
    self->seen_live += Block::SizeIn(self->bins.LiveTag(self->end)) != 0;
  }
};

TEST(BlockReaderStepsTest, NoPartOfARegionThatGoesOnEverLooksLive) {
  if (!::myonly::testing::CanSingleStep())
    GTEST_SKIP() << "not on this processor";
  Extension extension;
  extension.bins.set_key(kTestKey);
  extension.bins.AddRegion(extension.heap.region->start(), 4096);
  EXPECT_GT(::myonly::testing::SingleStep(Extension::Run, Extension::Look,
                                          &extension),
            20u);
  EXPECT_EQ(extension.seen_live, 0u);
}

// Keeps some blocks for ever, among many that come and go and are overwritten.
class Churn {
 public:
  explicit Churn(BinManager& bins) : bins_(bins) {
    for (int i = 0; i < 400; ++i) Step();
    for (size_t i = 0; i < blocks_.size(); i += 3) {
      kept_.push_back(blocks_[i]->payload());
      blocks_[i] = blocks_.back();
      blocks_.pop_back();
    }
    std::sort(kept_.begin(), kept_.end());
  }
  // In the order of their addresses.
  const std::vector<void*>& kept() const { return kept_; }

  void Step() {
    if (!blocks_.empty() && (blocks_.size() > 150 || random_() % 2 == 0)) {
      const size_t index = random_() % blocks_.size();
      Block* block = blocks_[index];
      blocks_[index] = blocks_.back();
      blocks_.pop_back();
      bins_.FreeAndCoalesce(block);
      return;
    }
    const size_t request = 1 + random_() % 2000;
    Block* block = bins_.Allocate(Block::BytesFor(request));
    if (block == nullptr) return;
    // As a program does: stale tags are overwritten, some with what was a tag.
    memset(block->payload(), static_cast<int>(random_()),
           block->size() - Block::kTagBytes);
    if (random_() % 4 == 0) {
      bins_.Resize(block, Block::BytesFor(request / 2));
    }
    blocks_.push_back(block);
  }

 private:
  BinManager& bins_;
  std::mt19937 random_{12345};
  std::vector<Block*> blocks_;
  std::vector<void*> kept_;
};

// Every moment of every change: the reader comes after each instruction.
struct Steps {
  OneRegion& heap;
  Churn& churn;
  size_t misses = 0;

  static void Run(void* context) {
    for (int i = 0; i < 600; ++i) static_cast<Steps*>(context)->churn.Step();
  }
  static void Look(void* context) {
    auto* steps = static_cast<Steps*>(context);
    BlockReader reader(static_cast<char*>(steps->heap.region->start()),
                       kRegionBytes, kTestKey);
    size_t next = 0;
    while (reader.Next()) {
      if (reader.is_live() && next < steps->churn.kept().size() &&
          reader.payload() == steps->churn.kept()[next]) {
        ++next;
      }
    }
    if (reader.is_damaged() || next != steps->churn.kept().size()) {
      ++steps->misses;
    }
  }
};

TEST_F(BlockReaderTest, SeesABlockThatStaysAtEveryMomentOfAChange) {
  if (!::myonly::testing::CanSingleStep())
    GTEST_SKIP() << "not on this processor";
  Churn churn(heap_.bins);
  Steps steps{heap_, churn};
  EXPECT_GT(::myonly::testing::SingleStep(Steps::Run, Steps::Look, &steps),
            100000u);
  EXPECT_EQ(steps.misses, 0u);
}

TEST_F(BlockReaderTest, MissesNoBlockThatStaysWhileOthersComeAndGo) {
  Churn churn(heap_.bins);
  std::atomic<bool> stop{false};
  std::thread owner([&churn, &stop] {
    while (!stop) churn.Step();
  });
  for (int round = 0; round < 100000; ++round) {
    BlockReader reader = Reader();
    size_t kept = 0;
    const char* end = nullptr;
    while (reader.Next()) {
      EXPECT_GE(reader.payload(), end) << "twice";
      end = reader.payload() + reader.usable_bytes();
      if (reader.is_live() && kept < churn.kept().size() &&
          reader.payload() == churn.kept()[kept]) {
        ++kept;
      }
    }
    ASSERT_FALSE(reader.is_damaged());
    ASSERT_EQ(kept, churn.kept().size()) << round;
  }
  stop = true;
  owner.join();
}

}  // namespace
}  // namespace myonly::internal
