// Freed large runs that stay whole for the next request of their size.
#include <cstddef>
#include <vector>

#include "allocator/base/preset.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/large/run_pool_fixture.h"

namespace myonly::internal {
namespace {

class KeptRunsTest : public RunPoolFixture {};

// In secure only the first one is: to be looked at again freed runs fault.
TEST_F(KeptRunsTest, RunsOfEachSizeAreKeptForTheNextOfTheirs) {
  if (kIsSecure) GTEST_SKIP() << "one run is kept";
  std::vector<Slice*> runs;
  for (size_t slices : {3, 31, 3, 32, 17, 136, 33}) {
    runs.push_back(Allocate(slices));
    Allocate(1);
  }
  for (Slice* run : runs) FreeAndKeep(run);
  EXPECT_EQ(DirtySlices(), 255U);
  pool_.CheckInvariants();
  // The last one first; of 1 MiB and more the last one only, until it is taken.
  EXPECT_EQ(Allocate(3), runs[2]);
  EXPECT_EQ(Allocate(33), runs[6]);
  EXPECT_EQ(Allocate(136), runs[5]);
  EXPECT_EQ(Allocate(17), runs[4]);
  EXPECT_EQ(Allocate(32), runs[3]);
  EXPECT_EQ(Allocate(3), runs[0]);
  EXPECT_EQ(Allocate(31), runs[1]);
  EXPECT_EQ(DirtySlices(), 0U);
  pool_.CheckInvariants();
}

TEST_F(KeptRunsTest, WhatIsFreeServesBeforeWhatIsKept) {
  if (kIsSecure) GTEST_SKIP() << "one run is kept";
  Slice* kept = Allocate(10);
  Allocate(1);
  Slice* free = Allocate(100);
  FreeAndKeep(kept);
  pool_.Free(free);
  EXPECT_EQ(Allocate(7), free);
  EXPECT_EQ(kept->kind, RunKind::kBusy);
  EXPECT_EQ(DirtySlices(), 103U);
  // Nothing but both together is large enough.
  Slice* behind = Allocate(93);
  FreeAndKeep(behind);
  pool_.Free(free);
  EXPECT_EQ(Allocate(100), free);
  EXPECT_EQ(kept->kind, RunKind::kFree);
  pool_.CheckInvariants();
}

// Else the process would have both.
TEST_F(KeptRunsTest, WhatIsKeptGivesWayToPagesElsewhere) {
  std::vector<Slice*> runs;
  for (int i = 0; i < 60; ++i) runs.push_back(Allocate(32));
  for (Slice* run : runs) FreeAndKeep(run);
  const size_t dirty = DirtySlices();
  pool_.NotePagesElsewhere(dirty * kSliceSize / 2, dirty * kSliceSize / 2);
  EXPECT_LT(DirtySlices(), dirty / 2);
}

TEST_F(KeptRunsTest, AtMost256MiBAreKeptWhole) {
  if (kIsSecure) GTEST_SKIP() << "one run is kept";
  std::vector<Slice*> runs;
  for (int i = 0; i < 68; ++i) {
    runs.push_back(Allocate(128));
    Allocate(1);
  }
  size_t kept = 0;
  for (Slice* run : runs) {
    FreeAndKeep(run);
    kept += run->kind == RunKind::kBusy ? 128 : 0;
  }
  EXPECT_EQ(kept, 8192U + 128U);
  pool_.CheckInvariants();
}

TEST_F(KeptRunsTest, WhatIsKeptForLongIsAsFreeAsTheRest) {
  pool_.PurgeWithTime(1000);
  Slice* run = Allocate(10);
  FreeAndKeep(run);
  pool_.PurgeWithTime(1001);
  EXPECT_EQ(run->kind, RunKind::kBusy);
  pool_.PurgeWithTime(1002);
  EXPECT_EQ(run->kind, RunKind::kFree);
  EXPECT_EQ(DirtySlices(), 10U);
}

TEST_F(KeptRunsTest, RunsUpTo4MiBAndABitAreKeptWhole) {
  Slice* run = Allocate(136);
  Slice* large = Allocate(137);
  FreeAndKeep(run);
  EXPECT_EQ(run->kind, RunKind::kBusy);
  FreeAndKeep(large);
  EXPECT_EQ(large->kind, RunKind::kFree);
  EXPECT_EQ(DirtySlices(), 273U);
}

TEST_F(KeptRunsTest, GrowsIntoWhatIsKeptForTheNextOfItsSize) {
  Slice* run = Allocate(4);
  Slice* behind = Allocate(4);
  ASSERT_EQ(behind, run - 4);
  FreeAndKeep(behind);
  EXPECT_TRUE(pool_.Extend(run, 8));
  EXPECT_EQ(pool_.live_bytes(), 8 * kSliceSize);
}

}  // namespace
}  // namespace myonly::internal
