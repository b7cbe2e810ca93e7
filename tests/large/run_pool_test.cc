#include "allocator/large/run_pool.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Verb = FakePageSource::Verb;

constexpr size_t kMiB = size_t{1} << 20;

class RunPoolTest : public ::testing::Test {
 protected:
  RunPoolTest() : pool_(pages_) {}
  ~RunPoolTest() override { pool_.CheckInvariants(); }

  Slice* Allocate(size_t slices, bool* zeroed = nullptr) {
    bool is_zero;
    Slice* run = pool_.Allocate(slices, RunKind::kLarge, this, &is_zero);
    if (zeroed != nullptr) *zeroed = is_zero;
    return run;
  }
  void Fill(const Slice* run, size_t slices) {
    memset(pool_.AddressOf(run), 0xab, slices * kSliceSize);
  }

  FakePageSource pages_;
  RunPool pool_;
};

TEST_F(RunPoolTest, EachSliceOfARunLeadsToIt) {
  Slice* run = Allocate(5);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(run->kind, RunKind::kLarge);
  EXPECT_EQ(run->owner, this);
  EXPECT_EQ(run->run_slices, 5U);
  char* start = pool_.AddressOf(run);
  EXPECT_TRUE(IsAligned(reinterpret_cast<uintptr_t>(start), kSliceSize));
  for (size_t offset = 0; offset < 5 * kSliceSize; offset += 1000) {
    ASSERT_EQ(pool_.FindRun(pool_.Find(start + offset)), run) << offset;
  }
  EXPECT_EQ(pool_.live_bytes(), 5 * kSliceSize);
  pool_.Free(run);
  EXPECT_EQ(pool_.FindRun(pool_.Find(start)), nullptr);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(RunPoolTest, NoOtherAddressHasADescriptor) {
  int local = 0;
  EXPECT_EQ(pool_.Find(nullptr), nullptr);
  Allocate(1);
  EXPECT_EQ(pool_.Find(nullptr), nullptr);
  EXPECT_EQ(pool_.Find(&local), nullptr);
  EXPECT_EQ(pool_.Find(reinterpret_cast<void*>(~uintptr_t{0})), nullptr);
}

TEST_F(RunPoolTest, FreedNeighboursBecomeOneRun) {
  Slice* runs[3];
  for (Slice*& run : runs) run = Allocate(4);
  char* start = pool_.AddressOf(runs[0]);
  pool_.Free(runs[0]);
  pool_.Free(runs[2]);
  pool_.CheckInvariants();
  pool_.Free(runs[1]);  // both sides
  pool_.CheckInvariants();
  EXPECT_EQ(pool_.dirty_bytes(), 12 * kSliceSize);
  Slice* all = Allocate(12);
  EXPECT_EQ(pool_.AddressOf(all), start);
}

TEST_F(RunPoolTest, TheRunFreedLastIsKeptForTheNextOfItsSize) {
  Slice* run = Allocate(100);
  Fill(run, 100);
  for (int i = 0; i < 100; ++i) {
    run->kind = RunKind::kBusy;
    pool_.FreeAndKeep(run);
    EXPECT_EQ(pool_.live_bytes(), 0U);
    EXPECT_EQ(pool_.dirty_bytes(), 100 * kSliceSize);
    EXPECT_EQ(pool_.FindRun(pool_.Find(pool_.AddressOf(run))), nullptr);
    pool_.CheckInvariants();
    bool zeroed;
    ASSERT_EQ(Allocate(100, &zeroed), run);
    EXPECT_FALSE(zeroed);
    EXPECT_EQ(pool_.FindRun(run - 99), run);
  }
}

TEST_F(RunPoolTest, WhatIsKeptServesOtherRequestsToo) {
  for (int other = 0; other < 4; ++other) {
    Slice* run = Allocate(100);
    char* start = pool_.AddressOf(run);
    run->kind = RunKind::kBusy;
    pool_.FreeAndKeep(run);
    bool zeroed;
    Slice* next = nullptr;
    switch (other) {
      case 0:
        next = Allocate(7);
        break;
      case 1:  // as large, but for somebody else
        next = pool_.Allocate(100, RunKind::kLarge, &pool_, &zeroed);
        EXPECT_EQ((next - 99)->owner, &pool_);
        break;
      case 2:
        next = pool_.Allocate(100, RunKind::kRegion, this, &zeroed);
        EXPECT_EQ((next - 99)->kind, RunKind::kRegion);
        break;
      default:
        next = pool_.AllocateFree(50, RunKind::kLarge, this, &zeroed);
    }
    EXPECT_EQ(pool_.AddressOf(next), start) << other;
    pool_.CheckInvariants();
    pool_.Free(next);
  }
}

TEST_F(RunPoolTest, WhatIsKeptIsPurged) {
  Slice* run = Allocate(100);
  run->kind = RunKind::kBusy;
  pool_.FreeAndKeep(run);
  EXPECT_EQ(pool_.Purge(0), 100 * kSliceSize);
  EXPECT_EQ(pool_.dirty_bytes(), 0U);
}

TEST_F(RunPoolTest, TheSmallestFreeRunThatFitsIsTaken) {
  Slice* large = Allocate(8);
  Slice* fence = Allocate(1);
  Slice* small = Allocate(3);
  Allocate(1);
  char* small_start = pool_.AddressOf(small);
  pool_.Free(large);
  pool_.Free(small);
  EXPECT_EQ(pool_.AddressOf(Allocate(2)), small_start);
  EXPECT_NE(fence, nullptr);
}

TEST_F(RunPoolTest, TellsWhetherPagesAreZero) {
  bool zeroed = false;
  Slice* run = Allocate(2, &zeroed);
  EXPECT_TRUE(zeroed);
  Fill(run, 2);
  pool_.Free(run);
  run = Allocate(2, &zeroed);  // dirty ones first
  EXPECT_FALSE(zeroed);
  pool_.Free(run);
  EXPECT_EQ(pool_.Purge(0), 2 * kSliceSize);
  EXPECT_EQ(pool_.dirty_bytes(), 0U);
  run = Allocate(2, &zeroed);
  EXPECT_TRUE(zeroed);
  for (size_t i = 0; i < 2 * kSliceSize; ++i) {
    ASSERT_EQ(pool_.AddressOf(run)[i], 0);
  }
}

TEST_F(RunPoolTest, ARunThatIsDirtyInPartServesALargerOne) {
  Slice* run = Allocate(10);
  Fill(run, 10);
  char* start = pool_.AddressOf(run);
  pool_.Free(run);
  bool zeroed = true;
  run = Allocate(16, &zeroed);
  EXPECT_EQ(pool_.AddressOf(run), start);
  EXPECT_FALSE(zeroed);
  EXPECT_EQ(pool_.dirty_bytes(), 0U);
  EXPECT_EQ(pool_.live_bytes(), 16 * kSliceSize);
  pool_.CheckInvariants();
  EXPECT_EQ(pool_.FindRun(pool_.Find(start + 16 * kSliceSize - 1)), run);
  pool_.Free(run);
  // What is clean for the most part is left to those who want zeros.
  run = Allocate(40, &zeroed);
  EXPECT_TRUE(zeroed);
  EXPECT_EQ(pool_.AddressOf(run), start + 16 * kSliceSize);
  EXPECT_EQ(pool_.dirty_bytes(), 16 * kSliceSize);
}

TEST_F(RunPoolTest, LearnsToKeepWhatIsWantedAgain) {
  // A guard each, so that they stay apart; 64 MiB come and go.
  std::vector<Slice*> runs(64);
  for (int i = 0; i < 20; ++i) Allocate(32);
  size_t purges = 0;
  for (int round = 0; round < 20; ++round) {
    const size_t before = pages_.Count(Verb::kPurge);
    for (Slice*& run : runs) run = Allocate(32 + round % 2);
    const uint64_t now = CoarseMs();
    for (Slice* run : runs) pool_.Free(run);
    pool_.PurgeWithTime(now);
    pool_.PurgeWithTime(now + 150);
    purges = pages_.Count(Verb::kPurge) - before;
    if (round == 0) {
      EXPECT_GT(purges, 0U);
    }
    pool_.CheckInvariants();
  }
  EXPECT_EQ(purges, 0U);
}

constexpr char kRandomPlaces[] =
    "slices that fault stand between slabs at random, so where one lies is "
    "chance";

class RunPoolHugePagesTest : public ::testing::Test {
 protected:
  static constexpr size_t kUnit = 2 * kMiB;

  RunPoolHugePagesTest() { pool_.set_wants_huge_pages(true); }
  char* Take(size_t slices) {
    bool zeroed;
    Slice* run = pool_.Allocate(slices, RunKind::kSlab, &pool_, &zeroed);
    if (zeroed) pool_.Populate(run, {kSliceSize, is_dense_});
    return pool_.AddressOf(run);
  }
  size_t Populated() { return pages_.Count(Verb::kPopulateHuge); }

  FakePageSource pages_{size_t{256} << 20};
  RunPool pool_{pages_};
  bool is_dense_ = true;
};

TEST_F(RunPoolHugePagesTest, NoneForTheFirst16MiB) {
  if (kIsSecure) GTEST_SKIP() << kRandomPlaces;
  const char* start = Take(1);
  ASSERT_EQ(pages_.Count(Verb::kAdviseHugePages), 1U);
  for (const FakePageSource::Call& call : pages_.journal()) {
    if (call.verb != Verb::kAdviseHugePages) continue;
    EXPECT_LT(call.start, start);
    EXPECT_EQ(static_cast<char*>(call.start) + call.bytes, start + 16 * kMiB);
  }
  while (Take(1) < start + 16 * kMiB - kSliceSize) {
  }
  EXPECT_EQ(Populated(), 0U);
  // Nor later than that.
  Take(1);
  EXPECT_EQ(Populated(), 1U);
}

TEST_F(RunPoolHugePagesTest, SmallRunsThatGrowHaveThemAsTheyComeToThem) {
  if (kIsSecure) GTEST_SKIP() << kRandomPlaces;
  const char* start = Take(512);
  size_t units = 0;
  for (const size_t slices : {1, 5, 8, 8, 3, 1}) {
    for (size_t i = 0; i < 40; ++i) {
      const char* last = Take(slices) + slices * kSliceSize - 1;
      const size_t reached =
          static_cast<size_t>(last - start - 16 * kMiB) / kUnit + 1;
      ASSERT_EQ(Populated(), reached) << slices;
      const FakePageSource::Call& call = pages_.journal().back();
      if (reached == units) continue;
      units = reached;
      EXPECT_EQ(call.verb, Verb::kPopulateHuge);
      EXPECT_EQ(call.start, start + 16 * kMiB + (units - 1) * kUnit);
      EXPECT_EQ(call.bytes, kUnit);
    }
  }
  EXPECT_EQ(units, 17U);
  pool_.CheckInvariants();
}

TEST_F(RunPoolHugePagesTest, NoneForLargeRunsNorWhereNotWanted) {
  Take(512);
  for (size_t i = 0; i < 40; ++i) Take(9);
  EXPECT_EQ(Populated(), 0U);
  pool_.set_wants_huge_pages(false);
  for (size_t i = 0; i < 200; ++i) Take(1);
  EXPECT_EQ(Populated(), 0U);
}

TEST_F(RunPoolHugePagesTest, NoneForOwnersWithLittle) {
  if (kIsSecure) GTEST_SKIP() << kRandomPlaces;
  Take(512);
  is_dense_ = false;
  for (size_t i = 0; i < 200; ++i) Take(1);
  EXPECT_EQ(Populated(), 0U);
  is_dense_ = true;
  Take(1);
  EXPECT_EQ(Populated(), 1U);
}

TEST_F(RunPoolHugePagesTest, LargeRunsFollowOwnersThatUseWhatTheyTake) {
  if (kIsSecure) GTEST_SKIP() << kRandomPlaces;
  const auto take_large = [this](size_t slices) {
    bool zeroed;
    Slice* run = pool_.Allocate(slices, RunKind::kLarge, &pool_, &zeroed);
    if (zeroed) pool_.Populate(run, {});
  };
  is_dense_ = false;
  Take(512);
  Take(1);
  take_large(8);
  EXPECT_EQ(Populated(), 0U);
  is_dense_ = true;
  Take(1);
  EXPECT_EQ(Populated(), 1U);
  take_large(64 - 10 + 1);
  EXPECT_EQ(Populated(), 1U);  // more than 256 KiB
  is_dense_ = false;
  take_large(8);
  EXPECT_EQ(Populated(), 2U);
  Take(64);
  Take(1);
  EXPECT_EQ(Populated(), 2U);
  pool_.CheckInvariants();
}

TEST_F(RunPoolHugePagesTest, AUnitWhoseBeginningIsInUseIsWorthItUpToAQuarter) {
  if (kIsSecure) GTEST_SKIP() << kRandomPlaces;
  Take(512);
  Take(48);
  EXPECT_EQ(Populated(), 0U);  // large
  Take(1);
  EXPECT_EQ(Populated(), 1U);
  Take(15 + 49);
  Take(1);
  EXPECT_EQ(Populated(), 1U);
  for (size_t i = 0; i < 14; ++i) Take(1);
  EXPECT_EQ(Populated(), 1U);
  Take(1);
  EXPECT_EQ(Populated(), 2U);
  pool_.CheckInvariants();
}

// Others may have touched what was put together: it is tried again, but less
// and less often where there are no huge pages.
TEST_F(RunPoolHugePagesTest, AfterAFailureItIsTriedAgainLater) {
  if (kIsSecure) GTEST_SKIP() << kRandomPlaces;
  Take(512);
  bool zeroed;
  pool_.Free(pool_.Allocate(2048, RunKind::kSlab, &pool_, &zeroed));
  pool_.Purge(0);
  pages_.FailFrom(0);
  std::vector<size_t> tries;
  for (size_t i = 0; i < 16 * 64; ++i) {
    const size_t before = Populated();
    Take(1);
    if (Populated() != before) tries.push_back(i);
  }
  // 8 MiB go by, then 16, of those that are worth it: 49 slices of each unit.
  const auto nth = [](size_t n) { return n / 49 * 64 + n % 49; };
  EXPECT_EQ(tries, (std::vector<size_t>{0, nth(257), nth(257 + 513)}));
  pages_.StopFailing();
  for (size_t i = 0; i < 24 * 64; ++i) Take(1);
  EXPECT_GE(Populated(), 3U + 4U);
  pool_.CheckInvariants();
}

TEST_F(RunPoolTest, TheLastRunGrowsIntoWhatWasNeverUsed) {
  Slice* run = Allocate(2);
  const size_t commits = pages_.Count(FakePageSource::Verb::kCommit);
  ASSERT_TRUE(pool_.Extend(run, 200));
  EXPECT_EQ(run->run_slices, 200U);
  // In secure also of the descriptors and of the map of what is live.
  EXPECT_EQ(pages_.Count(FakePageSource::Verb::kCommit),
            commits + (kIsSecure ? 3 : 2));
  pool_.CheckInvariants();
  Slice* last = Allocate(1);
  EXPECT_FALSE(pool_.Extend(run, 1000));
  pool_.Free(last);
  // What is dirty behind it stays apart from what is not.
  EXPECT_FALSE(pool_.Extend(run, 1000));
  pages_.FailFrom(0);
  Slice* end = Allocate(1);
  EXPECT_FALSE(pool_.Extend(end, 1000));
  EXPECT_EQ(end->run_slices, 1U);
  pages_.StopFailing();
  pool_.CheckInvariants();
}

TEST_F(RunPoolTest, GrowsIntoTheFreeRunBehindOnly) {
  Slice* run = Allocate(2);
  Slice* next = Allocate(2);
  Slice* last = Allocate(1);
  EXPECT_FALSE(pool_.Extend(run, 3));
  pool_.Free(next);
  EXPECT_FALSE(pool_.Extend(run, 5));
  EXPECT_EQ(run->run_slices, 2U);
  ASSERT_TRUE(pool_.Extend(run, 3));
  EXPECT_EQ(
      pool_.FindRun(pool_.Find(pool_.AddressOf(run) + 3 * kSliceSize - 1)),
      run);
  pool_.CheckInvariants();
  pool_.Shrink(run, 1);
  EXPECT_EQ(run->run_slices, 1U);
  EXPECT_EQ(pool_.dirty_bytes(), 3 * kSliceSize);
  pool_.CheckInvariants();
  EXPECT_NE(last, nullptr);
}

TEST_F(RunPoolTest, FurtherReservationsFollowAFullOne) {
  FakePageSource small(2 * kMiB);
  RunPool pool(small);
  std::vector<Slice*> runs;
  bool zeroed;
  for (int i = 0; i < 200; ++i) {
    runs.push_back(pool.Allocate(20, RunKind::kLarge, this, &zeroed));
    ASSERT_NE(runs.back(), nullptr) << i;
    memset(pool.AddressOf(runs.back()), i, 20 * kSliceSize);
    if (small.Count(Verb::kReserve) == 4) break;
  }
  EXPECT_EQ(small.Count(Verb::kReserve), 4U);
  for (size_t i = 0; i < runs.size(); ++i) {
    char* start = pool.AddressOf(runs[i]);
    EXPECT_EQ(start[0], static_cast<char>(i));
    EXPECT_EQ(pool.FindRun(pool.Find(start + 19 * kSliceSize)), runs[i]);
    pool.Free(runs[i]);
  }
  pool.CheckInvariants();
}

TEST_F(RunPoolTest, ARunMayBeLargerThanAReservationWantsToBe) {
  FakePageSource small(2 * kMiB);
  RunPool pool(small);
  bool zeroed;
  EXPECT_NE(pool.Allocate(1000, RunKind::kLarge, this, &zeroed), nullptr);
  pool.CheckInvariants();
}

// Whichever call fails, once or for ever: NULL or a run, and a sound pool.
TEST_F(RunPoolTest, FailuresOfThePageSourceAreSurvived) {
  for (int n = 0; n < 12; ++n) {
    for (bool for_ever : {false, true}) {
      FakePageSource pages(4 * kMiB);
      RunPool pool(pages);
      if (for_ever) {
        pages.FailFrom(n);
      } else {
        pages.FailCall(n);
      }
      std::vector<Slice*> runs;
      bool zeroed;
      for (int i = 0; i < 10; ++i) {
        Slice* run = pool.Allocate(40, RunKind::kLarge, this, &zeroed);
        if (run != nullptr) runs.push_back(run);
        pool.CheckInvariants();
      }
      for (Slice* run : runs) pool.Free(run);
      pool.Purge(0);
      pool.CheckInvariants();
      pages.StopFailing();
      EXPECT_NE(pool.Allocate(40, RunKind::kLarge, this, &zeroed), nullptr);
    }
  }
}

TEST_F(RunPoolTest, AllocateFreeNeverAsksForMore) {
  bool zeroed;
  EXPECT_EQ(pool_.AllocateFree(1, RunKind::kLarge, this, &zeroed), nullptr);
  EXPECT_TRUE(pages_.journal().empty());
  pool_.Free(Allocate(8));
  const size_t calls = pages_.journal().size();
  EXPECT_NE(pool_.AllocateFree(8, RunKind::kLarge, this, &zeroed), nullptr);
  EXPECT_EQ(pool_.AllocateFree(100000, RunKind::kLarge, this, &zeroed),
            nullptr);
  EXPECT_EQ(pages_.journal().size(), calls);
}

// While it grows the dirty rest is kept near max(floor, live / 8, ...).
TEST_F(RunPoolTest, GrowthIsPaidWithPurges) {
  std::vector<Slice*> holes;
  for (int i = 0; i < 200; ++i) {
    holes.push_back(Allocate(8));
    Allocate(1);
  }
  for (Slice* run : holes) pool_.Free(run);  // 50 MiB, in pieces of 256 KiB
  const size_t before = pool_.dirty_bytes();
  for (int i = 0; i < 100; ++i) ASSERT_NE(Allocate(20), nullptr);
  EXPECT_GT(pages_.Count(Verb::kPurge), 0U);
  const size_t live = pool_.live_bytes();
  EXPECT_LE(pool_.dirty_bytes(), 4 * kMiB + live / 2);
  EXPECT_LT(pool_.dirty_bytes(), before / 2);
}

TEST_F(RunPoolTest, WhatStaysOverTheBudgetGoesWithTime) {
  std::vector<Slice*> runs;
  for (int i = 0; i < 40; ++i) runs.push_back(Allocate(32));
  for (Slice* run : runs) pool_.Free(run);  // 40 MiB
  const uint64_t now = CoarseMs();
  pool_.PurgeWithTime(now);
  const size_t dirty = pool_.dirty_bytes();
  EXPECT_GT(dirty, 30 * kMiB);
  pool_.PurgeWithTime(now - 1);  // as if another thread had been faster
  EXPECT_EQ(pool_.dirty_bytes(), dirty);
  pool_.PurgeWithTime(now + 300);
  EXPECT_LT(pool_.dirty_bytes(), dirty * 3 / 4);
  EXPECT_GT(pool_.dirty_bytes(), 4 * kMiB);
  pool_.PurgeWithTime(now + 1000);
  EXPECT_LE(pool_.dirty_bytes(), 4 * kMiB);
}

TEST_F(RunPoolTest, TheFloorIsKept) {
  pool_.set_dirty_floor_bytes(64 * kMiB);
  pool_.Free(Allocate(1000));
  pool_.PurgeWithTime(1000);
  pool_.PurgeWithTime(9000);
  EXPECT_EQ(pool_.dirty_bytes(), 1000 * kSliceSize);
  EXPECT_EQ(pages_.Count(Verb::kPurge), 0U);
}

TEST_F(RunPoolTest, APurgeThatFailsLosesNothing) {
  Slice* run = Allocate(4);
  Fill(run, 4);
  pool_.Free(run);
  pages_.FailFrom(0);
  EXPECT_EQ(pool_.Purge(0), 0U);
  pages_.StopFailing();
  EXPECT_EQ(pool_.dirty_bytes(), 4 * kSliceSize);
  EXPECT_EQ(pool_.Purge(kSliceSize), 3 * kSliceSize);
}

// --- Damage: the check names it, and where it is. ---

class RunPoolDamageTest : public RunPoolTest {
 protected:
  // What the check says, and of which address.
  const char* Broken(const void** where) {
    BrokenInvariant broken;
    EXPECT_FALSE(pool_.Check(&broken));
    *where = broken.where;
    return broken.what;
  }
};

TEST_F(RunPoolDamageTest, AFreeRunThatIsNotWhatItsTreeHolds) {
  Slice* run = Allocate(4);
  Allocate(4);
  Fill(run, 4);
  pool_.Free(run);
  ASSERT_TRUE(run->dirty);
  run->dirty = false;
  const void* where = nullptr;
  EXPECT_STREQ(Broken(&where), "broken descriptor of a free run");
  EXPECT_NE(where, nullptr);
  run->dirty = true;
}

TEST_F(RunPoolDamageTest, FreeRunsInAWrongOrder) {
  Slice* large = Allocate(6);
  Allocate(4);
  Slice* small = Allocate(4);
  Allocate(4);
  pool_.Free(large);
  pool_.Free(small);
  large->run_slices = 1;
  const void* where = nullptr;
  EXPECT_STREQ(Broken(&where), "broken tree of free runs");
  large->run_slices = 6;
}

TEST_F(RunPoolDamageTest, ARunThatDoesNotKnowWhereItIs) {
  Slice* run = Allocate(4);
  ++run->head;
  const void* where = nullptr;
  EXPECT_STREQ(Broken(&where), "broken descriptor of a run");
  EXPECT_EQ(where, pool_.AddressOf(run));
  --run->head;
}

TEST_F(RunPoolDamageTest, NeighboursThatAreFreeButNotOne) {
  Slice* runs[] = {Allocate(4), Allocate(4)};
  ASSERT_EQ(runs[1], runs[0] - 4);  // their slices rise
  for (Slice* run : runs) {
    run->kind = RunKind::kFree;
    run->dirty = true;
  }
  const void* where = nullptr;
  EXPECT_STREQ(Broken(&where), "free runs that are not coalesced");
  EXPECT_EQ(where, pool_.AddressOf(runs[1]));
  for (Slice* run : runs) run->kind = RunKind::kLarge;
}

}  // namespace
}  // namespace myonly::internal
