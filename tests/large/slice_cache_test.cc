#include "allocator/large/slice_cache.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/charged_runs.h"
#include "allocator/large/quota.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

class SliceCacheTest : public ::testing::Test {
 protected:
  std::vector<Slice*> Allocate(size_t count) {
    std::vector<Slice*> runs;
    for (size_t i = 0; i < count; ++i) {
      runs.push_back(charged_.Allocate(1, RunKind::kSlab, this, &status_));
    }
    return runs;
  }
  void FreeAll(const std::vector<Slice*>& runs) {
    for (Slice* run : runs) charged_.Free(run);
  }
  // In the order in which they are taken from the front.
  static Slice* ListOf(const std::vector<Slice*>& runs) {
    Slice* list = nullptr;
    for (Slice* run : runs) {
      run->next = list;
      list = run;
    }
    return list;
  }
  static size_t Length(const Slice* list) {
    size_t length = 0;
    for (; list != nullptr; list = list->next) ++length;
    return length;
  }

  MmapPageSource pages_;
  RunPool pool_{pages_};
  Quota quota_;
  SliceCache cache_;
  Status status_ = Status::kOk;
  ChargedRuns charged_{pool_, quota_, &cache_};
};

TEST_F(SliceCacheTest, TheLastOneComesBackFirst) {
  const std::vector<Slice*> runs = Allocate(2);
  EXPECT_EQ(quota_.charged_bytes(), 2 * kSliceSize);
  FreeAll(runs);
  // Nobody is charged for what is kept, and nothing there is anybody's.
  EXPECT_EQ(quota_.charged_bytes(), 0U);
  EXPECT_EQ(cache_.bytes(), 2 * kSliceSize);
  EXPECT_EQ(pool_.FindRun(runs[0]), nullptr);
  Slice* again = charged_.Allocate(1, RunKind::kSubHeapRegion, this, &status_);
  EXPECT_EQ(again, runs[1]);
  EXPECT_EQ(again->kind, RunKind::kSubHeapRegion);
  EXPECT_EQ(again->key, Slice::kNoSlab);
  charged_.Free(again);
  cache_.Release(pool_);
  EXPECT_EQ(pool_.live_bytes(), 0U);
  pool_.CheckInvariants();
}

TEST_F(SliceCacheTest, KeepsNoMoreThanItSays) {
  FreeAll(Allocate(2 * SliceCache::kMaxSlices));
  EXPECT_EQ(cache_.bytes(), SliceCache::kMaxSlices * kSliceSize);
  EXPECT_EQ(pool_.live_bytes(), cache_.bytes());
  pool_.CheckInvariants();
  cache_.Release(pool_);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, OfAListThePoolGetsWhatHasNoRoom) {
  for (SliceCache* cache : {&cache_, static_cast<SliceCache*>(nullptr)}) {
    const std::vector<Slice*> runs = Allocate(SliceCache::kMaxSlices + 3);
    for (Slice* run : runs) run->key.Publish(1);
    charged_.FreeAllTo(cache, ListOf(runs));
    EXPECT_EQ(quota_.charged_bytes(), 0U);
    for (const Slice* run : runs) {
      EXPECT_EQ(run->key, Slice::kNoSlab);
      EXPECT_EQ(pool_.FindRun(run), nullptr);
    }
    const size_t kept = cache == nullptr ? 0 : SliceCache::kMaxSlices;
    EXPECT_EQ(cache_.bytes(), kept * kSliceSize);
    EXPECT_EQ(pool_.live_bytes(), kept * kSliceSize);
    pool_.CheckInvariants();
    cache_.Release(pool_);
  }
  charged_.FreeAllTo(&cache_, nullptr);
  EXPECT_EQ(cache_.bytes(), 0U);
}

TEST_F(SliceCacheTest, WhatIsNotWantedGoesBackWithTime) {
  FreeAll(Allocate(20));
  cache_.Decay(pool_, 10000);  // looks for the first time
  const std::vector<Slice*> wanted = Allocate(5);
  FreeAll(wanted);
  cache_.Decay(pool_, 10001);  // too soon to tell
  EXPECT_EQ(cache_.bytes(), 20 * kSliceSize);
  cache_.Decay(pool_, 11000);
  EXPECT_EQ(cache_.bytes(), 5 * kSliceSize);
  cache_.Decay(pool_, 12000);
  EXPECT_EQ(cache_.bytes(), 0U);
}

TEST_F(SliceCacheTest, HalfASecondLiesBetweenTwoLooks) {
  FreeAll(Allocate(4));
  cache_.Decay(pool_, 499);
  EXPECT_EQ(cache_.decay_ms(), 0U);
  cache_.Decay(pool_, 500);
  EXPECT_EQ(cache_.decay_ms(), 500U);
  EXPECT_EQ(cache_.bytes(), 4 * kSliceSize);
  cache_.Decay(pool_, 999);
  EXPECT_EQ(cache_.bytes(), 4 * kSliceSize);
  cache_.Decay(pool_, 1000);
  EXPECT_EQ(cache_.bytes(), 0U);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, ADecayAfterAReleaseFindsNothing) {
  FreeAll(Allocate(20));
  cache_.Decay(pool_, 10000);
  cache_.Release(pool_);
  cache_.Decay(pool_, 11000);
  EXPECT_EQ(cache_.bytes(), 0U);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, LongRunsAndRefusedOnesPassItBy) {
  Slice* run = charged_.Allocate(3, RunKind::kSubHeapRegion, this, &status_);
  ASSERT_NE(run, nullptr);
  charged_.Free(run);
  EXPECT_EQ(cache_.bytes(), 0U);
  FreeAll(Allocate(1));
  quota_.set_limit_bytes(kSliceSize - 1);
  EXPECT_EQ(charged_.Allocate(1, RunKind::kSlab, this, &status_), nullptr);
  EXPECT_EQ(status_, Status::kQuota);
  EXPECT_EQ(cache_.bytes(), kSliceSize);
  cache_.Release(pool_);
}

// --- Slabs that one arena wants again. ---

TEST_F(SliceCacheTest, WhatIsKeptForOneIsAllItsOwn) {
  constexpr uintptr_t kWhom = 16;
  charged_.Keep(&cache_, kWhom, ListOf(Allocate(3)));
  EXPECT_EQ(quota_.charged_bytes(), 0U);
  EXPECT_EQ(cache_.bytes(), 3 * kSliceSize);
  EXPECT_EQ(charged_.TakeKept(kWhom + 16), nullptr);
  EXPECT_EQ(quota_.charged_bytes(), 0U);
  Slice* kept = charged_.TakeKept(kWhom);
  EXPECT_EQ(Length(kept), 3U);
  EXPECT_EQ(quota_.charged_bytes(), 3 * kSliceSize);
  EXPECT_EQ(cache_.bytes(), 0U);
  EXPECT_EQ(charged_.TakeKept(kWhom), nullptr);
  charged_.FreeAllTo(nullptr, kept);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, WhatIsKeptServesAnyoneWhenNothingElseIsThere) {
  const std::vector<Slice*> runs = Allocate(3);
  charged_.Keep(&cache_, 16, ListOf({runs[0], runs[1]}));
  charged_.Free(runs[2]);
  const std::vector<Slice*> again = Allocate(2);
  EXPECT_EQ(again[0], runs[2]);
  EXPECT_EQ(again[1], runs[1]);
  EXPECT_EQ(cache_.bytes(), kSliceSize);
  EXPECT_EQ(charged_.TakeKept(16), nullptr);
  EXPECT_EQ(Allocate(1)[0], runs[0]);
  EXPECT_EQ(cache_.bytes(), 0U);
  FreeAll(runs);
  cache_.Release(pool_);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, OnlyTheLastOneHasSomethingKept) {
  const std::vector<Slice*> runs = Allocate(5);
  charged_.Keep(&cache_, 16, ListOf({runs[0], runs[1]}));
  charged_.Keep(&cache_, 32, ListOf({runs[2], runs[3], runs[4]}));
  EXPECT_EQ(charged_.TakeKept(16), nullptr);
  EXPECT_EQ(cache_.bytes(), 5 * kSliceSize);
  // There is no more room than without.
  FreeAll(Allocate(2 * SliceCache::kMaxSlices));
  const std::vector<Slice*> many = Allocate(SliceCache::kMaxSlices);
  FreeAll(Allocate(SliceCache::kMaxSlices));
  charged_.Keep(&cache_, 48, ListOf(many));
  EXPECT_EQ(cache_.bytes(), SliceCache::kMaxSlices * kSliceSize);
  FreeAll(Allocate(SliceCache::kMaxSlices + 1));
  EXPECT_EQ(cache_.bytes(), SliceCache::kMaxSlices * kSliceSize);
  EXPECT_EQ(pool_.live_bytes(), cache_.bytes());
  cache_.Release(pool_);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, WhatIsKeptGoesBackToo) {
  charged_.Keep(&cache_, 16, ListOf(Allocate(3)));
  cache_.Release(pool_);
  EXPECT_EQ(cache_.bytes(), 0U);
  EXPECT_EQ(pool_.live_bytes(), 0U);
  EXPECT_EQ(charged_.TakeKept(16), nullptr);
  EXPECT_EQ(quota_.charged_bytes(), 0U);

  charged_.Keep(&cache_, 16, ListOf(Allocate(3)));
  cache_.Decay(pool_, 10000);
  EXPECT_EQ(cache_.bytes(), 3 * kSliceSize);
  cache_.Decay(pool_, 11000);
  EXPECT_EQ(cache_.bytes(), 0U);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(SliceCacheTest, WhatIsKeptTakesNoMoreThanHalfOfWhatIsLeft) {
  charged_.Keep(&cache_, 16, ListOf(Allocate(3)));
  quota_.set_limit_bytes(6 * kSliceSize - 1);
  EXPECT_EQ(charged_.TakeKept(16), nullptr);
  EXPECT_EQ(quota_.charged_bytes(), 0U);
  EXPECT_EQ(cache_.bytes(), 3 * kSliceSize);
  quota_.set_limit_bytes(6 * kSliceSize);
  charged_.FreeAllTo(nullptr, charged_.TakeKept(16));
  EXPECT_EQ(cache_.bytes(), 0U);
}

// Nobody is charged for what could not be had.
TEST(ChargedRunsTest, WhatIsRefusedIsNotCharged) {
  FakePageSource pages;
  RunPool pool(pages);
  Quota quota;
  ChargedRuns runs(pool, quota);
  Status status = Status::kOk;
  pages.FailFrom(0);
  EXPECT_EQ(runs.Allocate(3, RunKind::kRegion, &pool, &status), nullptr);
  EXPECT_EQ(status, Status::kNoMemory);
  EXPECT_EQ(quota.charged_bytes(), 0U);
  pages.StopFailing();
  Slice* run = runs.Allocate(3, RunKind::kRegion, &pool, &status,
                             {2 * kPageSize, false});
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(quota.charged_bytes(), 3 * kSliceSize);
  EXPECT_EQ(pages.Count(FakePageSource::Verb::kPopulate), 1U);
  runs.Free(run);
  EXPECT_EQ(quota.charged_bytes(), 0U);
  // Only what is fresh is populated.
  run = runs.Allocate(3, RunKind::kRegion, &pool, &status,
                      {2 * kPageSize, false});
  EXPECT_EQ(pages.Count(FakePageSource::Verb::kPopulate), 1U);
  // There is no short slice.
  EXPECT_EQ(runs.AllocateAtEnd(1, RunKind::kRegion, &pool, &status), nullptr);
  runs.FreePoisoned(run);
  EXPECT_EQ(quota.charged_bytes(), 0U);
  pool.CheckInvariants();
}

TEST(ChargedRunsTest, OfGivenMemoryTheBytesAreCharged) {
  FakePageSource pages;
  pages.FailFrom(0);
  const size_t bytes = 3 * (kSliceSize + sizeof(Slice)) + kSliceSize / 2;
  const std::unique_ptr<char[]> memory(new char[bytes]);
  RunPool pool(pages);
  pool.Adopt(memory.get(), bytes);
  Quota quota;
  ChargedRuns runs(pool, quota);
  Status status = Status::kOk;
  const size_t two = 2 * kSliceSize - pool.missing_bytes();
  quota.set_limit_bytes(two - 1);
  EXPECT_EQ(runs.AllocateAtEnd(two, RunKind::kRegion, &pool, &status), nullptr);
  EXPECT_EQ(status, Status::kQuota);
  EXPECT_EQ(quota.charged_bytes(), 0U);
  quota.set_limit_bytes(SIZE_MAX);
  Slice* run = runs.AllocateAtEnd(two, RunKind::kRegion, &pool, &status);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(pool.BytesOf(run), two);
  EXPECT_EQ(quota.charged_bytes(), two);
  // It is taken.
  EXPECT_EQ(runs.AllocateAtEnd(two, RunKind::kRegion, &pool, &status), nullptr);
  EXPECT_EQ(quota.charged_bytes(), two);
  runs.Free(run);
  EXPECT_EQ(quota.charged_bytes(), 0U);
}

}  // namespace
}  // namespace myonly::internal
