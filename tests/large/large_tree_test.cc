#include "allocator/large/large_tree.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kRuns = 300;

// Keyed as the tree is: a descriptor that lies higher is of a lower slice.
using Model = std::set<std::pair<uint32_t, intptr_t>>;

class LargeTreeTest : public ::testing::Test {
 protected:
  LargeTreeTest() : runs_(kRuns) {}
  Model::value_type Key(const Slice& run) const {
    return {run.run_slices, runs_.data() - &run};
  }

  std::vector<Slice> runs_;
  LargeTree tree_;
  Model model_;
};

TEST_F(LargeTreeTest, FindsTheSmallestThatFitsAndTheLowestOfThose) {
  unsigned random = 3;
  for (int round = 0; round < 20000; ++round) {
    random = random * 1664525 + 1013904223;
    Slice& run = runs_[(random >> 8) % kRuns];
    if (model_.count(Key(run)) != 0) {
      model_.erase(Key(run));
      tree_.Remove(run);
    } else {
      run.run_slices = 1 + (random >> 24) % 20;
      model_.insert(Key(run));
      tree_.Insert(run);
    }
    const uint32_t wanted = (random >> 16) % 25;
    const Slice* found = tree_.FindBestFit(wanted);
    const auto best = model_.lower_bound({wanted, INTPTR_MIN});
    ASSERT_EQ(found == nullptr, best == model_.end());
    if (found != nullptr) {
      ASSERT_EQ(Key(*found), *best);
    }
    if (!model_.empty()) {
      ASSERT_EQ(Key(*tree_.FindLargest()), *model_.rbegin());
    }
  }
  size_t slices = 0;
  for (const auto& [size, address] : model_) slices += size;
  EXPECT_EQ(tree_.slices(), slices);
  auto next = model_.begin();
  EXPECT_TRUE(tree_.Check(
      [this, &next](const Slice& run) { EXPECT_EQ(Key(run), *next++); }));
  EXPECT_EQ(next, model_.end());
}

TEST_F(LargeTreeTest, AnEmptyOneHasNothing) {
  EXPECT_EQ(tree_.FindBestFit(0), nullptr);
  EXPECT_EQ(tree_.FindLargest(), nullptr);
  EXPECT_EQ(tree_.slices(), 0U);
}

}  // namespace
}  // namespace myonly::internal
