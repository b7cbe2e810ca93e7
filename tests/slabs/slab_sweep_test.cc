// Pages of slabs that wait for long: when they are purged, and how what lay on
// them comes back.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "gtest/gtest.h"
#include "tests/slabs/slab_pool_fixture.h"

namespace myonly::internal {
namespace {

using Verb = FakePageSource::Verb;
constexpr size_t kAll = 1000;

class SlabSweepTest : public SlabPoolTest {
 protected:
  // A full slab, all of whose objects are used, and one more that is active.
  std::vector<Object*> FullSlab(size_t size_class) {
    std::vector<Object*> all = Take(size_class, SlabCapacity(size_class));
    other_ = TakeOnce(size_class);
    return all;
  }
  // What waits now is swept.
  void SweepWaiting() {
    pool_.BeginEpoch();
    pool_.BeginEpoch();
    EXPECT_FALSE(pool_.Sweep(kAll));
  }
  size_t PurgedBytes() const {
    size_t bytes = 0;
    for (const FakePageSource::Call& call : pages_.journal()) {
      if (call.verb == Verb::kPurge && call.ok) bytes += call.bytes;
    }
    return bytes;
  }
  static size_t PageOf(const void* address) {
    return reinterpret_cast<uintptr_t>(address) % kSliceSize / kPageSize;
  }
  // Whether the object lies on one of the pages [first, end).
  static bool IsOn(const Object* object, size_t bytes, size_t first,
                   size_t end) {
    const char* last = reinterpret_cast<const char*>(object) + bytes - 1;
    return PageOf(last) >= first && PageOf(object) < end;
  }

  std::vector<Object*> other_;
};

TEST_F(SlabSweepTest, PagesWithoutAUsedObjectGoOnceTheirSlabHasWaited) {
  const size_t size_class = SizeClassFor(64);
  const std::vector<Object*> all = FullSlab(size_class);
  for (Object* object : all) {
    if (!IsOn(object, 64, 6, 8)) Free(object);
  }
  EXPECT_FALSE(pool_.Sweep(kAll));
  pool_.BeginEpoch();
  EXPECT_FALSE(pool_.Sweep(kAll));
  EXPECT_EQ(PurgedBytes(), 0U) << "it has not waited for a whole epoch";
  pool_.BeginEpoch();
  EXPECT_FALSE(pool_.Sweep(kAll));
  EXPECT_EQ(PurgedBytes(), 6 * kPageSize);
  EXPECT_EQ(pages_.Count(Verb::kPurge), 1U) << "pages in a row go in one call";
  EXPECT_TRUE(Check());
  EXPECT_EQ(Used(), 2 * kPageSize / 64 + other_.size());
  SweepWaiting();
  EXPECT_EQ(pages_.Count(Verb::kPurge), 1U) << "and only once";
}

// Counted from when it began to wait, however old it is.
TEST_F(SlabSweepTest, AnOldSlabWaitsAsLongAsANewOne) {
  const size_t size_class = SizeClassFor(64);
  const std::vector<Object*> all = FullSlab(size_class);
  for (int i = 0; i < 5; ++i) pool_.BeginEpoch();
  for (Object* object : all) {
    if (!IsOn(object, 64, 6, 8)) Free(object);
  }
  EXPECT_FALSE(pool_.Sweep(kAll));
  pool_.BeginEpoch();
  EXPECT_FALSE(pool_.Sweep(kAll));
  EXPECT_EQ(PurgedBytes(), 0U);
  pool_.BeginEpoch();
  EXPECT_FALSE(pool_.Sweep(kAll));
  EXPECT_EQ(PurgedBytes(), 6 * kPageSize);
}

// An epoch goes by while slabs grow by so much, from wherever they have shrunk
// to.
TEST_F(SlabSweepTest, GrowthSweepsAlsoWhatIsLessThanThereOnceWas) {
  const size_t size_class = SizeClassFor(1024);
  const size_t capacity = SlabCapacity(size_class);
  for (Object* object : Take(size_class, 2000 * capacity)) Free(object);
  pool_.ReleaseEmpty();
  ASSERT_LE(pool_.slab_bytes(), kSliceSize);
  const std::vector<Object*> all = FullSlab(SizeClassFor(64));
  for (Object* object : all) {
    if (!IsOn(object, 64, 6, 8)) Free(object);
  }
  const size_t before = PurgedBytes();
  Take(size_class, 300 * capacity);
  EXPECT_EQ(PurgedBytes() - before, 6 * kPageSize);
}

// Every class, every share of used objects: nothing used is lost, all comes
// back, and the counters stay exact.
TEST_F(SlabSweepTest, SweptSlabsServeAgainWithoutALoss) {
  std::mt19937 random(7);
  for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
    const size_t bytes = ObjectBytes(size_class);
    std::map<Object*, char> used;
    const auto take = [&](const std::vector<Object*>& objects) {
      for (Object* object : objects) {
        const char value = static_cast<char>(random());
        memset(reinterpret_cast<char*>(object), value, bytes);
        ASSERT_TRUE(used.emplace(object, value).second) << "handed out twice";
      }
    };
    take(Take(size_class, 3 * SlabCapacity(size_class) + 1));
    for (unsigned keep_one_in : {2U, 8U, 40U}) {
      for (auto it = used.begin(); it != used.end();) {
        if (random() % keep_one_in != 0) {
          Free(it->first);
          it = used.erase(it);
        } else {
          ++it;
        }
      }
      SweepWaiting();
      ASSERT_TRUE(Check());
      ASSERT_EQ(Used(), used.size());
      take(Take(size_class, SlabCapacity(size_class) / 2));
      ASSERT_TRUE(Check());
      ASSERT_EQ(Used(), used.size());
    }
    take(Take(size_class, 3 * SlabCapacity(size_class)));
    for (const auto& [object, value] : used) {
      const auto* at = reinterpret_cast<const char*>(object);
      ASSERT_EQ(std::count(at, at + bytes, value),
                static_cast<ptrdiff_t>(bytes));
    }
    for (const auto& entry : used) Free(entry.first);
    ASSERT_EQ(Used(), 0U);
    pool_.ReleaseEmpty();
    ASSERT_EQ(pool_.slab_bytes(), 0U);
    ASSERT_EQ(pool_.taken(), pool_.known_back());
    ASSERT_EQ(pool_.used_bytes(), 0U);
  }
  EXPECT_GT(PurgedBytes(), 0U);
}

TEST_F(SlabSweepTest, ASweptSlabComesAfterPartialOnesAndBeforeANewOne) {
  const size_t size_class = SizeClassFor(512);
  const std::vector<Object*> first = FullSlab(size_class);
  for (size_t i = 1; i < first.size(); ++i) Free(first[i]);
  SweepWaiting();
  std::vector<Object*> second = Take(size_class, 2 * first.size());
  // What came was the swept slab's, page by page, before any new slab's.
  const size_t from_first = static_cast<size_t>(
      std::count_if(second.begin(), second.end(), [&](Object* object) {
        return runs_.Find(object) == runs_.Find(first[0]);
      }));
  EXPECT_EQ(from_first, first.size() - 1);
}

TEST_F(SlabSweepTest, ASweptSlabIsLookedAtAgainWhenAQuarterOfItIsBack) {
  const size_t size_class = SizeClassFor(16);
  const std::vector<Object*> all = FullSlab(size_class);
  std::vector<Object*> used;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % 8 == 0) {
      used.push_back(all[i]);
    } else {
      Free(all[i]);
    }
  }
  SweepWaiting();
  EXPECT_EQ(PurgedBytes(), 0U) << "every page has used objects";
  const size_t before = used.size();
  const Slice* slab = runs_.Find(all[0]);
  EXPECT_EQ(slab->slab.state, SlabState::kSwept);
  while (slab->slab.state == SlabState::kSwept) {
    ASSERT_GT(used.size(), 1U);
    Free(used.front());
    used.erase(used.begin());
  }
  EXPECT_NEAR(static_cast<double>(used.size()),
              static_cast<double>(before) * 3 / 4, 10.0);
  SweepWaiting();
  EXPECT_EQ(PurgedBytes() / kPageSize, 2U) << "the first quarter's pages";
  EXPECT_EQ(Used(), used.size() + other_.size());
}

// Until next to nothing is left: what is waited for gets small too.
TEST_F(SlabSweepTest, SlabsThatAreSweptAtOnceNeedNoEpoch) {
  SlabPool::set_sweeps_at_once(true);
  for (size_t bytes : {16, 64, 500, 1024}) {
    const size_t size_class = SizeClassFor(bytes);
    const std::vector<Object*> all = FullSlab(size_class);
    const size_t before = PurgedBytes();
    for (Object* object : all) {
      if (!IsOn(object, bytes, 7, 8)) Free(object);
    }
    // The last look may have been one page too early.
    EXPECT_GE(PurgedBytes() - before, 5 * kPageSize) << bytes;
    EXPECT_TRUE(Check());
  }
  SlabPool::set_sweeps_at_once(false);
}

// What grows in one class makes room in another, without any time.
TEST_F(SlabSweepTest, GrowthSweepsWhatWaits) {
  const size_t waiting = SizeClassFor(512);
  const std::vector<Object*> all = Take(waiting, 20 * SlabCapacity(waiting));
  TakeOnce(waiting);
  for (Object* object : all) {
    if (PageOf(object) != 0) Free(object);
  }
  Take(SizeClassFor(64), 200 * SlabCapacity(SizeClassFor(64)));
  EXPECT_GE(PurgedBytes(), 20 * 6 * kPageSize);
  EXPECT_TRUE(Check());
}

TEST_F(SlabSweepTest, AStepIsBoundedAndGoesOnWhereItStopped) {
  const size_t size_class = SizeClassFor(128);
  std::vector<Object*> all = Take(size_class, 10 * SlabCapacity(size_class));
  TakeOnce(size_class);
  for (Object* object : all) {
    if (PageOf(object) != 0) Free(object);
  }
  pool_.BeginEpoch();
  pool_.BeginEpoch();
  EXPECT_TRUE(pool_.Sweep(4));
  EXPECT_EQ(PurgedBytes(), 4 * 7 * kPageSize);
  EXPECT_TRUE(pool_.Sweep(4));
  EXPECT_FALSE(pool_.Sweep(4));
  EXPECT_EQ(PurgedBytes(), 10 * 7 * kPageSize);
}

TEST_F(SlabSweepTest, SweepAllDoesNotWait) {
  const size_t size_class = SizeClassFor(128);
  const std::vector<Object*> all = FullSlab(size_class);
  for (size_t i = all.size() / 2; i < all.size(); ++i) Free(all[i]);
  EXPECT_EQ(SweepAll(), 4 * kPageSize);
  for (size_t i = all.size() / 4; i < all.size() / 2; ++i) Free(all[i]);
  EXPECT_EQ(SweepAll(), 2 * kPageSize) << "what has become unused since";
  EXPECT_TRUE(Check());
}

// The slab that began to wait last is kept first.
TEST_F(SlabSweepTest, SweepAllKeepsWhatItIsTold) {
  const size_t size_class = SizeClassFor(128);
  const std::vector<Object*> first = FullSlab(size_class);
  const std::vector<Object*> second =
      Take(size_class, SlabCapacity(size_class));
  for (size_t i = first.size() / 2; i < first.size(); ++i) Free(first[i]);
  for (size_t i = 1; i < second.size(); ++i) Free(second[i]);
  const size_t before = PurgedBytes();
  EXPECT_EQ(SweepAll(2 * kSliceSize), 0U);
  EXPECT_EQ(SweepAll(kSliceSize / 2), 4 * kPageSize);
  EXPECT_EQ(SweepAll(kSliceSize / 2), 0U) << "what is swept is not there";
  EXPECT_GT(SweepAll(), 4 * kPageSize);
  EXPECT_GT(PurgedBytes() - before, 8 * kPageSize);
  EXPECT_TRUE(Check());
}

// Too little has come back for the slab to be looked at otherwise.
TEST_F(SlabSweepTest, SweepAllLooksAtSweptSlabsAgain) {
  const size_t size_class = SizeClassFor(128);
  std::vector<Object*> all = FullSlab(size_class);
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < kPageSize / 128; ++i) {
      Free(all.back());
      all.pop_back();
    }
    EXPECT_EQ(SweepAll(), kPageSize) << round;
  }
  EXPECT_TRUE(Check());
}

// The pages stay, and nothing else is different.
TEST_F(SlabSweepTest, ARefusedPurgeLosesNothing) {
  const std::vector<Object*> all = FullSlab(SizeClassFor(64));
  for (size_t i = 1; i < all.size(); ++i) Free(all[i]);
  pages_.FailFrom(0);
  EXPECT_EQ(SweepAll(), 0U);
  EXPECT_TRUE(Check());
  pages_.StopFailing();
  EXPECT_EQ(Used(), 1 + other_.size());
  EXPECT_EQ(Take(SizeClassFor(64), all.size() - 1).size(), all.size() - 1);
  EXPECT_TRUE(Check());
}

TEST_F(SlabSweepTest, AChainThatComesBackWakesASweptSlab) {
  const size_t size_class = SizeClassFor(256);
  const std::vector<Object*> all = FullSlab(size_class);
  Slice* slab = runs_.Find(all[0]);
  const size_t half = all.size() / 2;
  for (size_t i = half; i < all.size(); ++i) Free(all[i]);
  SweepWaiting();
  ASSERT_EQ(slab->slab.state, SlabState::kSwept);
  for (size_t i = 0; i + 1 < half; ++i) {
    all[i]->next = i + 2 < half ? all[i + 1] : nullptr;
    Slab::CheckAndMark(slab, all[i]);
  }
  pool_.FreeChain(slab, all[0], all[half - 2], half - 1);
  EXPECT_EQ(slab->slab.state, SlabState::kPartial);
  EXPECT_EQ(Used(), 1 + other_.size());
  EXPECT_TRUE(Check());
  Free(all[half - 1]);
  EXPECT_EQ(pool_.slab_bytes(), kSliceSize) << "only the active one stays";
}

TEST_F(SlabSweepTest, FewAreTakenAtATimeIfWanted) {
  const std::vector<Object*> all = TakeOnce(SizeClassFor(64));
  for (Object* object : all) Free(object);
  pool_.set_takes_few(true);
  std::set<Object*> back;
  while (Object* list = pool_.TakeBack(SizeClassFor(64))) {
    size_t length = 0;
    for (; !Slab::IsEnd(list); ++length) {
      back.insert(list);
      Object* next = list->next;
      Slab::ClearMark(list);
      list = next;
    }
    EXPECT_EQ(length, 1U);
    EXPECT_EQ(Used(), back.size());
    EXPECT_TRUE(Check());
  }
  EXPECT_EQ(back, std::set<Object*>(all.begin(), all.end()));
}

TEST_F(SlabSweepTest, DropAllTakesSweptSlabsToo) {
  const std::vector<Object*> all = FullSlab(SizeClassFor(64));
  for (size_t i = 1; i < all.size(); ++i) Free(all[i]);
  SweepAll();
  Object* lists[kNumSizeClasses];
  for (Object*& list : lists) list = pool_.end();
  pool_.DropAll(lists, nullptr);
  EXPECT_EQ(pool_.slab_bytes(), 0U);
  EXPECT_EQ(runs_.live_bytes(), 0U);
}

// The mark went with the page: the second free is seen when the slab is used
// or given up, before anybody gets the object twice.
TEST_F(SlabSweepTest, ASecondFreeOnAPurgedPageIsReportedBeforeItsReuse) {
  if (!kChecksObjects) GTEST_SKIP() << "this preset has no such checks";
  const size_t size_class = SizeClassFor(64);
  const std::vector<Object*> all = FullSlab(size_class);
  for (size_t i = 20; i < all.size(); ++i) Free(all[i]);
  SweepAll();
  EXPECT_DEATH(
      {
        Free(all[200]);
        for (size_t i = 0; i < 20; ++i) Free(all[i]);
      },
      "myonlymalloc: double free at 0x");
  EXPECT_DEATH(
      {
        Free(all[200]);
        while (runs_.Find(all[0])->slab.state != SlabState::kActive) {
          TakeOnce(size_class);
        }
        TakeOnce(size_class);
      },
      "myonlymalloc: double free at 0x");
}

}  // namespace
}  // namespace myonly::internal
