// Where the run pool's answers change: exact sizes, budgets and times.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <vector>

#include "allocator/base/clock.h"
#include "allocator/base/invariant.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/large/run_pool_fixture.h"

namespace myonly::internal {
namespace {

using Verb = FakePageSource::Verb;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kFloor = 32;  // slices that are always kept

// Of a system that has addresses, but for a while no memory for them.
class PagesWithoutMemory final : public PageSource {
 public:
  void* Reserve(size_t bytes, size_t alignment, Access access) override {
    return pages_.Reserve(bytes, alignment, access);
  }
  bool Commit(void* start, size_t bytes) override {
    if (refusals == 0) return pages_.Commit(start, bytes);
    --refusals;
    return false;
  }
  bool Decommit(void* start, size_t bytes) override {
    return pages_.Decommit(start, bytes);
  }
  bool Purge(void* start, size_t bytes) override {
    return pages_.Purge(start, bytes);
  }
  bool Release(void* start, size_t bytes) override {
    return takes_back && pages_.Release(start, bytes);
  }
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override {
    return pages_.Remap(start, old_bytes, new_bytes);
  }
  bool Move(void* start, size_t bytes, void* target) override {
    return pages_.Move(start, bytes, target);
  }
  size_t ReservationLimit() const override { return reservation_bytes; }
  size_t reserved_bytes() const { return pages_.reserved_bytes(); }

  size_t refusals = 0;
  bool takes_back = true;
  size_t reservation_bytes = kMiB;

 private:
  FakePageSource pages_;
};

class RunPoolEdgesTest : public RunPoolFixture {};

TEST_F(RunPoolEdgesTest, EachKindOfRunInUseIsFound) {
  for (const RunKind kind : {RunKind::kRegion, RunKind::kSubHeapRegion,
                             RunKind::kSlab, RunKind::kLarge}) {
    const Slice* run = Allocate(3, kind);
    EXPECT_EQ(pool_.FindRun(run - 2), run);
  }
  Slice* run = Allocate(3);
  for (const RunKind kind : {RunKind::kBusy, RunKind::kFree, RunKind::kNone}) {
    run->kind = kind;
    EXPECT_EQ(pool_.FindRun(run), nullptr);
  }
  run->kind = RunKind::kLarge;
}

TEST_F(RunPoolEdgesTest, ARunBelongsToNoList) {
  Slice* run = Allocate(3);
  run->previous = run->next = run;
  run->key = 1;
  pool_.Free(run);
  run = Allocate(3);
  EXPECT_EQ(run->previous, nullptr);
  EXPECT_EQ(run->next, nullptr);
  EXPECT_EQ(run->key, Slice::kNoSlab);
}

TEST_F(RunPoolEdgesTest, MemoryThatGrowsIsCommittedInEverLargerSteps) {
  Allocate(1);
  const size_t first = pages_.Count(Verb::kCommit);
  EXPECT_EQ(pool_.SlicesIn(0), 16U);
  size_t steps = 0;
  size_t calls = 0;  // of a step
  size_t before = 16;
  for (int i = 0; i < 10000; ++i) {
    ASSERT_NE(Allocate(1), nullptr);
    if (pool_.SlicesIn(0) == before) continue;
    before = pool_.SlicesIn(0);
    EXPECT_EQ(before % 64, 0U);  // huge pages
    if (++steps == 1) calls = pages_.Count(Verb::kCommit) - first;
  }
  // 64, 128, 256 and so on to 4096, and then 2048 more each time.
  EXPECT_EQ(steps, 10U);
  EXPECT_EQ(pool_.SlicesIn(0), 10240U);
  // In secure also of the map of what is live.
  EXPECT_LE(calls, kIsSecure ? 3U : 2U);
  EXPECT_EQ(pages_.Count(Verb::kCommit), first + calls * steps);
}

// A program may have changed the access to what it has.
TEST_F(RunPoolEdgesTest, WhatIsCommittedIsNotCommittedAgain) {
  const char* heap = pool_.AddressOf(Allocate(1));
  const char* heap_end = heap + pages_.ReservationLimit();
  pool_.ExpectThreads();
  for (int i = 0; i < 5000; ++i) ASSERT_NE(Allocate(1), nullptr);
  std::map<const char*, const char*> committed;  // start -> end
  for (const FakePageSource::Call& call : pages_.journal()) {
    if (call.verb != Verb::kCommit) continue;
    const char* start = static_cast<const char*>(call.start);
    const char* end = start + call.bytes;
    if (end <= heap || start >= heap_end) continue;  // descriptors
    const auto after = committed.lower_bound(start);
    EXPECT_TRUE(after == committed.end() || after->first >= end);
    EXPECT_TRUE(after == committed.begin() ||
                std::prev(after)->second <= start);
    committed[start] = end;
  }
  EXPECT_GE(committed.size(), 3U);
}

TEST_F(RunPoolEdgesTest, BeforeThreadsGrowItMuchIsCommitted) {
  Allocate(1);
  const size_t commits = pages_.Count(Verb::kCommit);
  pool_.ExpectThreads();
  EXPECT_EQ(pool_.SlicesIn(0), 1088U);  // 16 + 1024 and up to 64
  const size_t once = pages_.Count(Verb::kCommit) - commits;
  for (int i = 1; i < 1088; ++i) ASSERT_NE(Allocate(1), nullptr);
  EXPECT_EQ(pages_.Count(Verb::kCommit), commits + once);
  ASSERT_NE(Allocate(1), nullptr);
  EXPECT_EQ(pool_.SlicesIn(0), 1088U + 2048U);
  EXPECT_EQ(pages_.Count(Verb::kCommit), commits + 2 * once);
}

TEST_F(RunPoolEdgesTest, WhatCantBeCommittedBeforeThreadsGrowItHarmsNothing) {
  PagesWithoutMemory pages;
  RunPool pool{pages};
  bool zeroed;
  ASSERT_NE(pool.Allocate(1, RunKind::kSlab, nullptr, &zeroed), nullptr);
  pages.refusals = 1000;
  const size_t reserved = pages.reserved_bytes();
  pool.ExpectThreads();
  EXPECT_EQ(pages.reserved_bytes(), reserved);
  pages.refusals = 0;
  for (size_t i = 1; i < 100; ++i) {
    ASSERT_NE(pool.Allocate(1, RunKind::kSlab, nullptr, &zeroed), nullptr);
  }
  pool.CheckInvariants();
}

TEST_F(RunPoolEdgesTest, ADirtyRunIsCompletedIfHalfOfItIsThere) {
  for (const size_t wanted : {16, 17, 18}) {
    FakePageSource pages;
    RunPool pool(pages);
    bool zeroed;
    const auto allocate = [&](size_t slices) {
      return pool.Allocate(slices, RunKind::kLarge, this, &zeroed);
    };
    Slice* dirty = allocate(8);
    Slice* rest = allocate(8);
    pool.Free(rest);
    pool.Purge(0);
    pool.Free(dirty);
    EXPECT_EQ(allocate(wanted) == dirty, wanted != 18) << wanted;
    EXPECT_EQ(zeroed, wanted == 18);
    // All that was there is enough for the first.
    EXPECT_EQ(pool.SlicesIn(0) == 16, wanted == 16);
    pool.CheckInvariants();
  }
}

TEST(RunPoolWithoutMemoryTest, WhatCannotBeUsedIsReleased) {
  constexpr size_t kMany = 1000;
  PagesWithoutMemory pages;
  RunPool pool(pages);
  bool zeroed;
  pages.refusals = kMany;
  EXPECT_EQ(pool.Allocate(3, RunKind::kLarge, &pages, &zeroed), nullptr);
  EXPECT_EQ(pages.reserved_bytes(), 0U);
  EXPECT_GE(pages.refusals, kMany - 4);  // not again and again
  pool.CheckInvariants();
  pages.refusals = 0;
  Slice* run = pool.Allocate(3, RunKind::kLarge, &pages, &zeroed);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(pool.Find(pool.AddressOf(run)), run);
  // The same of more.
  const size_t reserved = pages.reserved_bytes();
  pages.refusals = kMany;
  EXPECT_EQ(pool.Allocate(100, RunKind::kLarge, &pages, &zeroed), nullptr);
  EXPECT_EQ(pages.reserved_bytes(), reserved);
  EXPECT_EQ(pool.SlicesIn(1), 0U);
  pool.CheckInvariants();
}

TEST(RunPoolWithoutMemoryTest, NoAddressesAreTakenThatCannotBeUsedEither) {
  constexpr size_t kMany = 1000;
  PagesWithoutMemory pages;
  pages.reservation_bytes = 64 * kMiB;
  RunPool pool(pages);
  bool zeroed;
  ASSERT_NE(pool.Allocate(3, RunKind::kLarge, &pages, &zeroed), nullptr);
  const size_t reserved = pages.reserved_bytes();
  pages.refusals = kMany;
  pages.takes_back = false;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pool.Allocate(1000, RunKind::kLarge, &pages, &zeroed), nullptr);
  }
  EXPECT_EQ(pages.reserved_bytes(), reserved);
  pool.CheckInvariants();
  pages.refusals = 0;
  pages.takes_back = true;
  EXPECT_NE(pool.Allocate(1000, RunKind::kLarge, &pages, &zeroed), nullptr);
  EXPECT_EQ(pages.reserved_bytes(), reserved);
}

TEST_F(RunPoolEdgesTest, GrowsByWhatIsBehindAndNoMore) {
  Slice* run = Allocate(2);
  const size_t commits = pages_.Count(Verb::kCommit);
  ASSERT_TRUE(pool_.Extend(run, 16));
  EXPECT_EQ(pages_.Count(Verb::kCommit), commits);
  EXPECT_EQ(pool_.SlicesIn(0), 16U);
  ASSERT_TRUE(pool_.Extend(run, 17));
  EXPECT_EQ(pool_.SlicesIn(0), 64U);
  // It stays where it is in its owner's list.
  run->previous = run;
  run->next = run - 1;
  ASSERT_TRUE(pool_.Extend(run, 64));
  EXPECT_EQ(pool_.SlicesIn(0), 64U);
  EXPECT_EQ(run->previous, run);
  EXPECT_EQ(run->next, run - 1);
  EXPECT_EQ(run->owner, this);
  EXPECT_EQ((run - 63)->owner, this);
}

TEST_F(RunPoolEdgesTest, TheWholeRunBehindMayBeTaken) {
  Slice* run = Allocate(2);
  Slice* next = Allocate(2);
  Allocate(1);
  pool_.Free(next);
  ASSERT_TRUE(pool_.Extend(run, 4));
  EXPECT_EQ(run->run_slices, 4U);
  EXPECT_EQ(pool_.dirty_bytes(), 0U);
  EXPECT_EQ(pool_.live_bytes(), 5 * kSliceSize);
}

// --- What is kept, and what is purged ---

TEST_F(RunPoolEdgesTest, InHalfASecondAllThatIsOverTheBudgetGoes) {
  MakeDirty(kFloor + 500);
  EXPECT_TRUE(pool_.PurgeWithTime(1000));
  EXPECT_TRUE(pool_.PurgeWithTime(1099));
  EXPECT_EQ(DirtySlices(), kFloor + 500);
  EXPECT_TRUE(pool_.PurgeWithTime(1100));
  EXPECT_EQ(DirtySlices(), kFloor + 400);
  EXPECT_TRUE(pool_.PurgeWithTime(1199));
  EXPECT_EQ(DirtySlices(), kFloor + 400);
  EXPECT_TRUE(pool_.PurgeWithTime(1350));
  EXPECT_EQ(DirtySlices(), kFloor + 200);
  EXPECT_TRUE(pool_.PurgeWithTime(2000));
  EXPECT_EQ(DirtySlices(), kFloor);
  EXPECT_FALSE(pool_.PurgeWithTime(3000));
  EXPECT_EQ(DirtySlices(), kFloor);
  // The time of what is over it later begins then.
  MakeDirty(2000);
  EXPECT_TRUE(pool_.PurgeWithTime(9000));
  EXPECT_EQ(DirtySlices(), kFloor + 2000);
}

// As a program that limits its addresses (RLIMIT_AS) expects of them.
TEST_F(RunPoolEdgesTest, ALowerLimitTakesWhatIsReserved) {
  Slice* run = Allocate(3);
  memset(pool_.AddressOf(run), 1, 3 * kSliceSize);
  EXPECT_FALSE(pool_.FollowLimit());
  const size_t reserved = pages_.reserved_bytes();
  pages_.set_reservation_limit(size_t{4} << 20);
  EXPECT_TRUE(pool_.FollowLimit());
  EXPECT_LT(pages_.reserved_bytes(), reserved / 16);
  EXPECT_FALSE(pool_.FollowLimit());
  // More comes in pieces of what the limit leaves to it.
  for (int i = 0; i < 100; ++i) {
    Slice* more = Allocate(10);
    memset(pool_.AddressOf(more), 1, 10 * kSliceSize);
    EXPECT_EQ(pool_.Find(pool_.AddressOf(more)), more);
  }
  EXPECT_LT(pages_.reserved_bytes(), reserved / 8);
  EXPECT_EQ(*pool_.AddressOf(run), 1);
}

// What was given back is others' from then on.
TEST_F(RunPoolEdgesTest, NothingIsGivenBackTwice) {
  Allocate(100);
  pages_.set_reservation_limit(size_t{1} << 10);  // less than is in use
  EXPECT_TRUE(pool_.FollowLimit());
  const size_t released = pages_.Count(FakePageSource::Verb::kRelease);
  EXPECT_FALSE(pool_.FollowLimit());
  EXPECT_EQ(pages_.Count(FakePageSource::Verb::kRelease), released);
}

TEST_F(RunPoolEdgesTest, ALittleGoesAtOnceAndMuchInParts) {
  MakeDirty(kFloor + 20);
  pool_.PurgeWithTime(1000);
  pool_.PurgeWithTime(1100);
  EXPECT_EQ(DirtySlices(), kFloor + 12);
  MakeDirty(5000 - 12);
  pool_.PurgeWithTime(2000);
  EXPECT_EQ(DirtySlices(), kFloor + 5000 - 2048);
}

// So that few calls are enough for any heap.
TEST_F(RunPoolEdgesTest, OfVeryMuchAnEighthGoesAtATime) {
  MakeDirty(30000);
  pool_.PurgeWithTime(1000);
  pool_.PurgeWithTime(2000);
  EXPECT_EQ(DirtySlices(), 30000 - (30000 - kFloor) / 8);
}

// Who calls for nothing more does so by its clock.
TEST_F(RunPoolEdgesTest, ThePeakIsForgottenWithTime) {
  Allocate(400);
  MakeDirty(600);
  uint64_t now = CoarseMs();
  pool_.PurgeWithTime(now += 1000);
  pool_.PurgeWithTime(now += 1000);
  EXPECT_GT(DirtySlices(), 100U);
  for (int i = 0; i < 100; ++i) pool_.PurgeWithTime(now += 100);
  EXPECT_EQ(DirtySlices(), kFloor);
}

TEST_F(RunPoolEdgesTest, TwiceWhatIsTakenElsewhereIsPurged) {
  MakeDirty(kFloor + 100);
  pool_.NotePagesElsewhere(10 * kSliceSize, 0);
  EXPECT_EQ(DirtySlices(), kFloor + 80);
  // What is live elsewhere counts.
  const size_t live = 32 * (kFloor + 70) * kSliceSize;
  pool_.NotePagesElsewhere(20 * kSliceSize, live);
  EXPECT_EQ(DirtySlices(), kFloor + 70);
  pool_.NotePagesElsewhere(1000 * kSliceSize, 0);
  EXPECT_EQ(DirtySlices(), kFloor);
  const size_t purges = pages_.Count(Verb::kPurge);
  pool_.NotePagesElsewhere(1000 * kSliceSize, 0);
  EXPECT_EQ(pages_.Count(Verb::kPurge), purges);
}

TEST_F(RunPoolEdgesTest, TwiceWhatIsTakenHereIsPurged) {
  // Dirty in pieces that are of no use for more.
  std::vector<Slice*> pieces;
  for (int i = 0; i < 400; ++i) pieces.push_back(Allocate(2));
  for (size_t i = 0; i < pieces.size(); i += 2) pool_.Free(pieces[i]);
  const size_t dirty = DirtySlices();
  ASSERT_EQ(dirty, 400U);
  ASSERT_NE(Allocate(10), nullptr);
  EXPECT_EQ(DirtySlices(), dirty - 20);
}

// What has just been given back and is fresh again should have been kept.
TEST_F(RunPoolEdgesTest, WhatIsWantedAgainIsKeptFromThenOn) {
  uint64_t now = CoarseMs();
  for (int round = 0; round < 6; ++round) {
    MakeDirty(600);
    pool_.PurgeWithTime(now += 1000);
    pool_.PurgeWithTime(now += 1000);
    if (round == 0) {
      EXPECT_EQ(DirtySlices(), kFloor);
    }
  }
  EXPECT_GE(DirtySlices(), 300U);
}

// One with large blocks only comes to no other place that looks at the clock.
TEST_F(RunPoolEdgesTest, WhoFreesLargeRunsAloneGivesThemBackWithTime) {
  std::vector<Slice*> runs;
  for (int i = 0; i < 256; ++i) runs.push_back(Allocate(8));
  const auto free_some = [&runs, this](size_t least) {
    while (runs.size() > least) {
      FreeAndKeep(runs.back());
      runs.pop_back();
    }
  };
  free_some(64);
  const uint64_t start = CoarseMs();
  while (CoarseMs() - start < 150) {
  }
  free_some(0);
  EXPECT_GT(pages_.Count(Verb::kPurge), 0U);
}

TEST_F(RunPoolEdgesTest, AsMuchAsIsToBeKeptIsKept) {
  MakeDirty(100);
  EXPECT_EQ(pool_.Purge(100 * kSliceSize), 0U);
  EXPECT_EQ(pool_.Purge(90 * kSliceSize - 1), 11 * kSliceSize);
  EXPECT_EQ(DirtySlices(), 89U);
  EXPECT_EQ(pool_.Purge(0), 89 * kSliceSize);
  EXPECT_EQ(pool_.Purge(0), 0U);
}

// Recent peaks are forgotten by who allocates and by who frees alike.
TEST_F(RunPoolEdgesTest, ThePeakIsForgottenWithEachCall) {
  Slice* rest = Allocate(400);
  MakeDirty(600);
  for (int i = 0; i < 50; ++i) pool_.Free(Allocate(1, RunKind::kSlab));
  const uint64_t now = CoarseMs();
  pool_.PurgeWithTime(now);
  pool_.PurgeWithTime(now + 1000);
  EXPECT_LE(DirtySlices(), 150U);
  EXPECT_GE(DirtySlices(), kFloor);
  pool_.Free(rest);
}

TEST_F(RunPoolEdgesTest, OnlyWholePagesInsideArePurged) {
  Slice* run = Allocate(1);
  char* start = pool_.AddressOf(run);
  memset(start, 1, kSliceSize);
  EXPECT_EQ(pool_.PurgeInside(start + 1, kPageSize), 0U);
  EXPECT_EQ(pool_.PurgeInside(start + 1, 2 * kPageSize - 2), 0U);
  EXPECT_EQ(pages_.Count(Verb::kPurge), 0U);
  EXPECT_EQ(pool_.PurgeInside(start + 1, 2 * kPageSize - 1), kPageSize);
  EXPECT_EQ(start[kPageSize - 1], 1);
  EXPECT_EQ(start[kPageSize], 0);
  EXPECT_EQ(start[2 * kPageSize - 1], 0);
  EXPECT_EQ(start[2 * kPageSize], 1);
  EXPECT_EQ(pool_.PurgeInside(start + 4 * kPageSize, kPageSize), kPageSize);
  pages_.FailCall(0);
  EXPECT_EQ(pool_.PurgeInside(start + 4 * kPageSize, kPageSize), 0U);
}

TEST_F(RunPoolEdgesTest, WhatWillSoonBeWrittenToIsMadeResident) {
  Slice* run = Allocate(4);
  pool_.Populate(run, {kPageSize, false});
  EXPECT_EQ(pages_.Count(Verb::kPopulate), 0U);
  pool_.Populate(run, {kPageSize + 1, false});
  ASSERT_EQ(pages_.Count(Verb::kPopulate), 1U);
  EXPECT_EQ(pages_.journal().back().start, pool_.AddressOf(run));
  EXPECT_EQ(pages_.journal().back().bytes, kPageSize + 1);
}

// --- Damage ---

// Each field that is not as it should be is seen alone.
TEST_F(RunPoolEdgesTest, TheCheckSeesEachFieldOfAFreeRun) {
  Slice* run = Allocate(4);
  Allocate(1);
  pool_.Free(run);
  Slice* last = run - 3;
  const std::function<void(Slice*)> damages[] = {
      [](Slice* slice) { slice->kind = RunKind::kLarge; },
      [](Slice* slice) { slice->dirty = false; },
      [](Slice* slice) { ++slice->head; },
  };
  for (Slice* slice : {run, last}) {
    for (const auto& damage : damages) {
      const RunKind kind = slice->kind;
      damage(slice);
      BrokenInvariant broken;
      EXPECT_FALSE(pool_.Check(&broken));
      EXPECT_STREQ(broken.what, "broken descriptor of a free run");
      EXPECT_EQ(broken.where, pool_.AddressOf(run));
      slice->kind = kind;
      slice->dirty = true;
      slice->head = run->head = last->head = 0;
    }
  }
  ++last->run_slices;
  BrokenInvariant broken;
  EXPECT_FALSE(pool_.Check(&broken));
  EXPECT_STREQ(broken.what, "broken descriptor of a free run");
  --last->run_slices;
}

TEST_F(RunPoolEdgesTest, TheCheckSeesARunThatIsTooLongOrNone) {
  Slice* run = Allocate(16);
  BrokenInvariant broken;
  for (const uint32_t slices : {0U, 17U}) {
    run->run_slices = slices;
    EXPECT_FALSE(pool_.Check(&broken));
    EXPECT_STREQ(broken.what, "broken descriptor of a run");
    EXPECT_EQ(broken.where, pool_.AddressOf(run));
  }
  run->run_slices = 16;
}

// Not one slice at a time where the next step does not fit.
TEST(RunPoolGrowthTest, TheLastStepIsWhatIsLeftOfTheReservation) {
  FakePageSource pages(40 * kMiB);
  RunPool pool(pages);
  bool zeroed;
  do {
    ASSERT_NE(pool.Allocate(1, RunKind::kSlab, &pool, &zeroed), nullptr);
  } while (pool.SlicesIn(1) == 0);
  EXPECT_GT(pool.SlicesIn(0), 38 * kMiB / kSliceSize);
  EXPECT_LT(pages.Count(Verb::kCommit), 40U);
  pool.CheckInvariants();
}

}  // namespace
}  // namespace myonly::internal
