#include "allocator/large/keep_budget.h"

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(KeepBudgetTest, WithoutRegretsHalfOfWhatIsLiveIsTheMost) {
  KeepBudget keep(9);
  keep.NoteLive(1000);
  EXPECT_EQ(keep.Get(1000), 0U);
  EXPECT_EQ(keep.Get(800), 200U);
  EXPECT_EQ(keep.Get(200), 100U);
  EXPECT_EQ(keep.Get(0), 0U);
}

TEST(KeepBudgetTest, WhatIsDroppedAndWantedAgainRaisesIt) {
  KeepBudget keep(9);
  keep.NoteLive(1000);
  keep.NoteDropped(300);
  EXPECT_EQ(keep.Get(200), 100U);
  keep.NoteFresh(200);
  EXPECT_EQ(keep.Get(200), 400U);
  // Only what was dropped can be regretted.
  keep.NoteFresh(1000);
  EXPECT_EQ(keep.Get(200), 600U);
  keep.NoteFresh(1000);
  EXPECT_EQ(keep.Get(200), 600U);
}

TEST(KeepBudgetTest, FreshMemoryAloneIsNoRegret) {
  KeepBudget keep(9);
  keep.NoteLive(1000);
  keep.NoteFresh(1000);
  EXPECT_EQ(keep.Get(0), 0U);
}

TEST(KeepBudgetTest, PassesTheRecentPeakByHalfAtMost) {
  KeepBudget keep(9);
  keep.NoteLive(1000);
  keep.NoteDropped(100000);
  keep.NoteFresh(100000);
  for (size_t live = 0; live <= 1500; live += 100) {
    EXPECT_EQ(live + keep.Get(live), 1500U);
  }
  EXPECT_EQ(keep.Get(2000), 0U);
}

TEST(KeepBudgetTest, PassesTheRecentPeakOnceThatIsSureToBeWanted) {
  KeepBudget keep(9);
  keep.NoteLive(1000);
  keep.NoteDropped(5000);
  keep.NoteFresh(500);
  EXPECT_EQ(keep.Get(1000), 0U);
  EXPECT_EQ(keep.Get(900), 100U);
  keep.NoteFresh(50);
  EXPECT_EQ(keep.Get(1000), 100U);
  EXPECT_EQ(keep.Get(900), 200U);
  EXPECT_EQ(keep.Get(1200), 0U);
  keep.NoteFresh(150);
  EXPECT_EQ(keep.Get(1000), 400U);
  keep.NoteFresh(1000);
  EXPECT_EQ(keep.Get(1000), 500U);
}

TEST(KeepBudgetTest, ForgetsThePeakWithCalls) {
  KeepBudget keep(2);
  keep.NoteLive(1000);
  keep.NoteLive(600);
  EXPECT_EQ(keep.Get(600), 300U);
  keep.NoteLive(600);
  EXPECT_EQ(keep.Get(600), 225U);
}

TEST(KeepBudgetTest, ForgetsThePeakWithTime) {
  KeepBudget keep(9);
  keep.NoteLive(1000);
  keep.Decay(600, 100);
  EXPECT_EQ(keep.Get(800), 150U);
  keep.Decay(600, 199);
  EXPECT_EQ(keep.Get(800), 150U);
  keep.Decay(600, 200);
  EXPECT_EQ(keep.Get(800), 107U);
  keep.Decay(2000, 300);  // nothing is above that
  EXPECT_EQ(keep.Get(800), 107U);
}

TEST(KeepBudgetTest, ForgetsRegretsWithTime) {
  KeepBudget keep(9);
  keep.NoteLive(10000);
  keep.NoteDropped(800);
  keep.NoteFresh(800);
  EXPECT_EQ(keep.Get(0), 1600U);
  uint64_t now_ms = 1000;
  keep.Decay(10000, now_ms);
  EXPECT_EQ(keep.Get(0), 1400U);
  // Not more often than every 100 ms, and never back in time.
  keep.Decay(10000, now_ms + 99);
  keep.Decay(10000, now_ms - 500);
  EXPECT_EQ(keep.Get(0), 1400U);
  for (int i = 0; i < 100; ++i) keep.Decay(0, now_ms += 100);
  EXPECT_LT(keep.Get(0), 10U);
}

TEST(KeepBudgetTest, WhatWasDroppedLongAgoIsNotRegretted) {
  KeepBudget keep(9);
  keep.NoteLive(10000);
  keep.NoteDropped(800);
  uint64_t now_ms = 1000;
  for (int i = 0; i < 100; ++i) keep.Decay(10000, now_ms += 100);
  keep.NoteFresh(800);
  EXPECT_LT(keep.Get(0), 20U);
}

}  // namespace
}  // namespace myonly::internal
