// Slabs by themselves: what a refill gives, when a slab wakes and when it goes.
#include "allocator/slabs/slab_pool.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "gtest/gtest.h"
#include "tests/slabs/slab_pool_fixture.h"

namespace myonly::internal {
namespace {

TEST(SizeClassTest, EverySizeIsServedByTheSmallestObjectThatHoldsIt) {
  for (size_t size = 1; size <= kMaxSlabRequest; ++size) {
    const size_t size_class = SizeClassFor(size);
    ASSERT_LT(size_class, kNumSizeClasses) << size;
    ASSERT_GE(ObjectBytes(size_class), size);
    ASSERT_LT(ObjectBytes(size_class), size + 16);
  }
  EXPECT_GE(SizeClassFor(kMaxSlabRequest + 1), kNumSizeClasses);
}

// Class 0 never has objects: what comes out as it takes the slow path.
TEST(SizeClassTest, NothingAndOverflowsComeOutAsNoClass) {
  EXPECT_EQ(SizeClassFor(0), 0U);
  EXPECT_EQ(SizeClassFor(SIZE_MAX), 0U);
  EXPECT_EQ(SizeClassFor(SIZE_MAX - 14), 0U);
  EXPECT_GE(SizeClassFor(SIZE_MAX - 15), kNumSizeClasses);
}

TEST_F(SlabPoolTest, OnlyWhereAnObjectBeginsTheTokenComesBack) {
  if (!kChecksObjects) GTEST_SKIP() << "the fast preset does not look";
  for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
    const size_t bytes = ObjectBytes(size_class);
    std::set<const Slice*> slabs;  // at odd and at even slices
    for (Object* object : Take(size_class, 3 * SlabCapacity(size_class))) {
      slabs.insert(runs_.Find(object));
    }
    ASSERT_GE(slabs.size(), 3U);
    for (const Slice* slab : slabs) {
      const char* start = runs_.AddressOf(slab);
      for (size_t offset = 0; offset < kSliceSize; ++offset) {
        const bool begins = offset % bytes == 0;
        ASSERT_EQ(Slab::TokenAt(slab, start + offset) == kToken, begins);
        ASSERT_EQ(Slab::StartsObject(slab, start + offset), begins);
      }
    }
  }
}

TEST_F(SlabPoolTest, UsedBytesAreThoseOfAllClasses) {
  const size_t small = Take(2, 3).size();
  const size_t large = Take(9, 5).size();
  EXPECT_EQ(UsedBytes(), small * ObjectBytes(2) + large * ObjectBytes(9));
}

TEST_F(SlabPoolTest, ObjectsOfEveryClassAreDistinctAlignedAndWhole) {
  for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
    const size_t bytes = ObjectBytes(size_class);
    const size_t count = SlabCapacity(size_class) + 1;  // into a second slab
    std::set<char*> seen;
    for (Object* object : Take(size_class, count)) {
      auto* at = reinterpret_cast<char*>(object);
      memset(at, static_cast<int>(size_class), bytes);
      ASSERT_TRUE(seen.insert(at).second);
      ASSERT_EQ(Slab::TokenAt(runs_.Find(at), at), kToken);
      // A multiple of any power of two that divides its size.
      ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % (bytes & -bytes), 0U);
    }
    char* before = nullptr;
    for (char* at : seen) {
      ASSERT_TRUE(before == nullptr || before + bytes <= at);
      before = at;
    }
    ASSERT_TRUE(Check());
  }
}

TEST_F(SlabPoolTest, ARefillCarvesOnePage) {
  const std::vector<Object*> first = TakeOnce(SizeClassFor(64));
  EXPECT_EQ(first.size(), kPageSize / 64);
  const std::vector<Object*> second = TakeOnce(SizeClassFor(64));
  // Secure carves in random order.
  const auto least = [](const std::vector<Object*>& objects) {
    return reinterpret_cast<char*>(
        *std::min_element(objects.begin(), objects.end()));
  };
  EXPECT_EQ(least(second), least(first) + kPageSize);
  EXPECT_EQ(Used(), first.size() + second.size());
}

// Where an object lies says nothing of when it comes.
TEST_F(SlabPoolTest, InSecureEachObjectOfAPageComesAtEachTurn) {
  if (!kIsSecure) GTEST_SKIP() << "they come in order";
  constexpr size_t kObjects = kPageSize / 64;
  constexpr size_t kPages = 3000;
  std::vector<size_t> seen(kObjects * kObjects);
  for (size_t page = 0; page < kPages; ++page) {
    const std::vector<Object*> taken = TakeOnce(SizeClassFor(64));
    ASSERT_EQ(taken.size(), kObjects);
    for (size_t turn = 0; turn < kObjects; ++turn) {
      const auto address = reinterpret_cast<uintptr_t>(taken[turn]);
      ++seen[turn * kObjects + address % kPageSize / 64];
    }
  }
  // 47 times each, more or less: at random none is so far from that.
  const auto ends = std::minmax_element(seen.begin(), seen.end());
  EXPECT_GT(*ends.first, kPages / kObjects / 5);
  EXPECT_LT(*ends.second, kPages / kObjects * 3);
}

TEST_F(SlabPoolTest, ARefillTouchesNoPageButOne) {
  for (size_t bytes = 16; bytes <= kMaxSlabRequest; bytes += 16) {
    const std::vector<Object*> taken = TakeOnce(SizeClassFor(bytes));
    const auto first = reinterpret_cast<uintptr_t>(taken.front());
    const auto last = reinterpret_cast<uintptr_t>(taken.back()) + bytes - 1;
    EXPECT_EQ(first / kPageSize, last / kPageSize) << bytes;
    EXPECT_EQ(taken.size(), kPageSize / bytes) << "all that fit";
  }
}

// From the first to the last one of a slab, whatever of an object lies on the
// page before. A class of an odd size meets each place on a page.
TEST_F(SlabPoolTest, EveryRefillEndsOnThePageWhereItsFirstObjectDoes) {
  for (size_t bytes = 16; bytes <= kMaxSlabRequest; bytes += 16) {
    const size_t size_class = SizeClassFor(bytes);
    for (size_t left = 2 * SlabCapacity(size_class); left != 0;) {
      const std::vector<Object*> taken = TakeOnce(size_class);
      ASSERT_FALSE(taken.empty());
      const auto ends = std::minmax_element(taken.begin(), taken.end());
      const auto page_of = [](uintptr_t end) { return (end - 1) / kPageSize; };
      const uintptr_t first = reinterpret_cast<uintptr_t>(*ends.first) + bytes;
      const uintptr_t last = reinterpret_cast<uintptr_t>(*ends.second) + bytes;
      ASSERT_EQ(last - first, (taken.size() - 1) * bytes) << bytes;
      ASSERT_EQ(page_of(last), page_of(first)) << bytes;
      left -= taken.size();
      if (left % SlabCapacity(size_class) == 0) continue;  // the slab's end
      ASSERT_NE(page_of(last + bytes), page_of(first)) << "all that fit";
    }
  }
}

TEST_F(SlabPoolTest, WhatComesBackIsTakenBeforeTheNextPage) {
  std::vector<Object*> taken = TakeOnce(4);
  Free(taken[3]);
  Free(taken[5]);
  EXPECT_EQ(TakeOnce(4), (std::vector<Object*>{taken[5], taken[3]}));
  EXPECT_TRUE(Check());
}

// A program that wants one size again and again has its list filled up less
// often, if it is one of few objects, and a page for each step.
TEST_F(SlabPoolTest, AShortListThatIsUsedUpOftenGetsLonger) {
  const auto after_turns = [this](size_t bytes, int turns) {
    std::vector<Object*> list = TakeOnce(SizeClassFor(bytes));
    Slice* slab = runs_.Find(list[0]);
    for (int i = 0; i < turns; ++i) {
      for (Object* object : list) Free(object);
      list.clear();
      for (Object* object = pool_.TakeAllBack(slab); !Slab::IsEnd(object);) {
        Object* next = object->next;
        Slab::ClearMark(object);
        list.push_back(object);
        object = next;
      }
      EXPECT_EQ(list.size(), slab->slab.carved);
      EXPECT_EQ(Used(), list.size());
    }
    EXPECT_TRUE(Check());
    for (Object* object : list) Free(object);
    pool_.ReleaseEmpty();
    return list.size();
  };
  EXPECT_EQ(after_turns(1024, 20), 4U);
  EXPECT_EQ(after_turns(1024, 40), 8U);
  EXPECT_EQ(after_turns(1024, 1000), 12U);
  EXPECT_EQ(after_turns(400, 1000), 20U);
  EXPECT_EQ(after_turns(256, 1000), 16U);
  EXPECT_EQ(after_turns(64, 1000), kPageSize / 64);
}

// What was taken and is not back is in use, whichever way a list was made, and
// nothing of it is left once all is dropped, but for what is still listed.
TEST_F(SlabPoolTest, FiguresAgreeWithWhatIsInUse) {
  const auto expect_agreement = [this](const char* when) {
    EXPECT_EQ(pool_.taken() - pool_.known_back(), Used()) << when;
    EXPECT_EQ(pool_.used_bytes(), UsedBytes()) << when;
  };
  Object* lists[kNumSizeClasses];
  uint64_t taken = 0;
  for (int round = 0; round < 3; ++round) {
    for (Object*& list : lists) list = nullptr;
    for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
      // Used up again and again, it gets longer.
      std::vector<Object*> all = TakeOnce(size_class);
      taken += all.size();
      Slice* slab = runs_.Find(all[0]);
      for (int turn = 0; turn < 40; ++turn) {
        for (Object* object : all) Free(object);
        all.clear();
        for (Object* object = pool_.TakeAllBack(slab); !Slab::IsEnd(object);) {
          Object* next = object->next;
          Slab::ClearMark(object);
          all.push_back(object);
          object = next;
        }
        taken += all.size();
        expect_agreement("after a turn");
      }
      const size_t some = all.size() / 2;
      for (size_t i = 0; i < some; ++i) Free(all[i]);
      // Of the list that comes now one is taken; it was carved, or was back.
      if (size_class % 2 == 0) all = TakeOnce(size_class);
      taken += size_class % 2 == 0 ? all.size() : 0;
      Object* list = pool_.Refill(size_class, &status_);
      lists[size_class] = list->next;
      Slab::ClearMark(list);
      ++taken;
    }
    for (Object*& list : lists) {
      if (list == nullptr) list = pool_.end();
    }
    pool_.DropAll(lists, nullptr);
    expect_agreement("when all is dropped");
    EXPECT_EQ(pool_.taken(), taken);
    EXPECT_EQ(pool_.used_bytes(), 0U);
    EXPECT_EQ(pool_.slab_bytes(), 0U);
  }
}

TEST_F(SlabPoolTest, ListsOfAThreadThatIdlesStayShort) {
  std::vector<Object*> list = TakeOnce(SizeClassFor(1024));
  Slice* slab = runs_.Find(list[0]);
  pool_.set_takes_few(true);
  for (Object* object : list) Free(object);
  for (int i = 0; i < 1000; ++i) {
    Object* object = pool_.TakeAllBack(slab);
    ASSERT_TRUE(Slab::IsEnd(object->next));
    Slab::ClearMark(object);
    Free(object);
  }
  EXPECT_EQ(slab->slab.carved, 4);
}

TEST_F(SlabPoolTest, AFullSlabWakesWhenEnoughIsBack) {
  const size_t size_class = SizeClassFor(64);
  const size_t capacity = SlabCapacity(size_class);
  const std::vector<Object*> first = Take(size_class, capacity);
  const std::vector<Object*> more = TakeOnce(size_class);  // another slab
  ASSERT_EQ(first.size(), capacity);
  Slice* slab = runs_.Find(first[0]);
  EXPECT_EQ(slab->slab.state, SlabState::kFull);
  const size_t wake = Slab::WakeThreshold(capacity);
  for (size_t i = 0; i + 1 < wake; ++i) Free(first[i]);
  EXPECT_EQ(slab->slab.state, SlabState::kFull);
  EXPECT_EQ(Used(), capacity + more.size() - (wake - 1));
  Free(first[wake - 1]);
  EXPECT_EQ(slab->slab.state, SlabState::kPartial);
  EXPECT_TRUE(Check());
}

// Few pages of a class that grows no more are resident in vain.
TEST_F(SlabPoolTest, AClassThatGrowsIsPopulatedAhead) {
  const size_t size_class = SizeClassFor(64);
  const size_t capacity = SlabCapacity(size_class);
  const auto populated = [this] {
    size_t bytes = 0;
    for (const FakePageSource::Call& call : pages_.journal()) {
      if (call.verb == FakePageSource::Verb::kPopulate) bytes += call.bytes;
    }
    return bytes;
  };
  size_t before = 0;
  for (size_t slabs = 0; slabs < 40; ++slabs) {
    const size_t ahead = populated() - before;
    EXPECT_LE(ahead, slabs * kSliceSize / 16) << slabs;
    EXPECT_EQ(slabs > 16 ? ahead : kSliceSize, kSliceSize) << slabs;
    before = populated();
    EXPECT_EQ(Take(size_class, capacity).size(), capacity);
    EXPECT_TRUE(slabs != 0 || populated() == 0);
  }
  before = populated();
  // Another class begins anew.
  EXPECT_EQ(TakeOnce(SizeClassFor(128)).size(), kPageSize / 128);
  EXPECT_EQ(populated(), before);
}

TEST_F(SlabPoolTest, SlabsThatAreEmptyGoBack) {
  for (size_t size_class : {size_t{1}, size_t{20}, kNumSizeClasses - 1}) {
    const std::vector<Object*> all =
        Take(size_class, 20 * SlabCapacity(size_class));
    EXPECT_GE(runs_.live_bytes(), 20 * kSliceSize);
    for (Object* object : all) Free(object);
    EXPECT_EQ(Used(), 0U);
    EXPECT_TRUE(Check());
    EXPECT_LE(pool_.slab_bytes(), 16 * kSliceSize);
    pool_.ReleaseEmpty();
    EXPECT_EQ(pool_.slab_bytes(), 0U);
    EXPECT_EQ(quota_.charged_bytes(), 0U);
    cache_.Release(runs_);
    EXPECT_EQ(runs_.live_bytes(), 0U);
  }
  EXPECT_EQ(pool_.taken(), pool_.known_back());
}

TEST_F(SlabPoolTest, AChainComesBackAtOnceInEveryState) {
  const size_t size_class = SizeClassFor(128);
  const size_t capacity = SlabCapacity(size_class);
  for (size_t count : {size_t{1}, size_t{15}, size_t{16}, size_t{17},
                       capacity - 1, capacity}) {
    const std::vector<Object*> all = Take(size_class, capacity);
    const std::vector<Object*> more = TakeOnce(size_class);
    Slice* slab = runs_.Find(all[0]);
    for (size_t i = 0; i + 1 < count; ++i) all[i]->next = all[i + 1];
    for (size_t i = 0; i < count; ++i) Slab::CheckAndMark(slab, all[i]);
    pool_.FreeChain(slab, all[0], all[count - 1], count);
    EXPECT_EQ(Used(), all.size() + more.size() - count) << count;
    EXPECT_TRUE(Check()) << count;
    for (size_t i = count; i < all.size(); ++i) Free(all[i]);
    for (Object* object : more) Free(object);
    EXPECT_EQ(Used(), 0U);
    pool_.ReleaseEmpty();
  }
}

// Of whatever length, it is as if its objects came one by one: a full slab
// wakes, and one without any used object goes.
TEST_F(SlabPoolTest, AChainIsAsGoodAsItsObjects) {
  const size_t size_class = SizeClassFor(512);
  const size_t capacity = SlabCapacity(size_class);
  for (size_t count = 1; count <= capacity; ++count) {
    SlabState states[2];
    size_t slabs[2];
    for (const size_t as_chain : {0, 1}) {
      const std::vector<Object*> all = Take(size_class, capacity);
      const std::vector<Object*> more = TakeOnce(size_class);
      Slice* slab = runs_.Find(all[0]);
      ASSERT_EQ(slab->slab.state, SlabState::kFull);
      if (as_chain != 0) {
        for (size_t i = 0; i + 1 < count; ++i) all[i]->next = all[i + 1];
        for (size_t i = 0; i < count; ++i) Slab::CheckAndMark(slab, all[i]);
        pool_.FreeChain(slab, all[0], all[count - 1], count);
      } else {
        for (size_t i = 0; i < count; ++i) Free(all[i]);
      }
      states[as_chain] = slab->slab.state;
      slabs[as_chain] = pool_.slab_bytes();
      EXPECT_TRUE(Check());
      for (size_t i = count; i < capacity; ++i) Free(all[i]);
      for (Object* object : more) Free(object);
      pool_.ReleaseEmpty();
      ASSERT_EQ(pool_.slab_bytes(), 0U) << count;
    }
    EXPECT_EQ(slabs[0], slabs[1]) << count;
    if (count != capacity) {
      EXPECT_EQ(states[0], states[1]) << count;
    }
  }
}

TEST_F(SlabPoolTest, ReturnedListsCountAsNeitherAllocatedNorFreed) {
  Object* list = pool_.Refill(3, &status_);
  pool_.Return(list);
  EXPECT_EQ(Used(), 0U);
  EXPECT_EQ(pool_.taken(), 0U);
  pool_.ReleaseEmpty();
  EXPECT_EQ(pool_.slab_bytes(), 0U);
}

class SlabPoolDeathTest : public SlabPoolTest {
 protected:
  void SetUp() override {
    if (!kChecksObjects) GTEST_SKIP() << "this preset has no such checks";
  }
};

TEST_F(SlabPoolDeathTest, ASecondFreeIsReportedWhateverHappenedBetween) {
  const std::vector<Object*> all = TakeOnce(SizeClassFor(48));
  for (size_t i = 0; i < 20; ++i) Free(all[i]);
  EXPECT_DEATH(Free(all[19]), "myonlymalloc: double free at 0x");
  EXPECT_DEATH(Free(all[3]), "myonlymalloc: double free at 0x");
  // Also once the object waits in the thread's list.
  Object* list = pool_.Refill(SizeClassFor(48), &status_);
  EXPECT_DEATH(Free(list->next), "myonlymalloc: double free at 0x");
}

TEST_F(SlabPoolDeathTest, ALinkOutOfTheSlabIsReportedWhenItComesBack) {
  if (kIsSecure) GTEST_SKIP() << "links are keyed";
  const size_t size_class = SizeClassFor(48);
  const std::vector<Object*> all = TakeOnce(size_class);
  Object* other_size = TakeOnce(SizeClassFor(96))[0];
  Free(other_size);
  Object copy = {};
  Free(all[0]);
  Free(all[1]);
  memcpy(&copy, all[1], sizeof(copy));
  Object* const good = all[1]->next;
  for (Object* link : {static_cast<Object*>(nullptr), other_size, &copy}) {
    all[1]->next = link;
    EXPECT_DEATH(pool_.TakeBack(size_class), "overwritten free object at 0x");
  }
  all[1]->next = good;
  EXPECT_EQ(pool_.TakeBack(size_class), all[1]);
}

TEST_F(SlabPoolDeathTest, WhatWasNeverHandedOutIsReportedWhenItComesBack) {
  if (kIsSecure) GTEST_SKIP() << "a map of live objects finds it";
  const size_t size_class = SizeClassFor(48);
  const std::vector<Object*> all = TakeOnce(size_class);
  Free(all.back() + 48 / sizeof(Object));
  EXPECT_DEATH(pool_.TakeBack(size_class), "free of an address inside a block");
}

// By count all of a slab is back, as one was freed twice.
TEST_F(SlabPoolDeathTest, AnObjectInUseIsReportedWhenItsSlabGoesBack) {
  if (kIsSecure) GTEST_SKIP() << "a map of live objects finds it";
  const size_t size_class = kNumSizeClasses - 1;
  const std::vector<Object*> all = Take(size_class, SlabCapacity(size_class));
  for (size_t i = 1; i < all.size(); ++i) Free(all[i]);
  Slab::ClearMark(all[1]);  // as the program may, by writing to it
  EXPECT_DEATH(
      {
        Free(all[1]);
        pool_.ReleaseEmpty();
      },
      "myonlymalloc: double free of a neighbour of the object at 0x");
}

TEST_F(SlabPoolDeathTest, AnAddressThatIsNoObjectIsReported) {
  const std::vector<Object*> all = TakeOnce(SizeClassFor(48));
  char* start = reinterpret_cast<char*>(all[2]);
  for (size_t offset : {1, 8, 16, 47}) {
    EXPECT_DEATH(Free(reinterpret_cast<Object*>(start + offset)),
                 "myonlymalloc: free of an address inside a block at 0x");
  }
}

// --- Damage of descriptors: the check names it. ---

class SlabDamageTest : public SlabPoolTest {
 protected:
  std::string Broken() {
    BrokenInvariant broken;
    return pool_.Check(&broken) ? "nothing" : broken.what;
  }
};

TEST_F(SlabDamageTest, EachFieldIsLookedAt) {
  const size_t size_class = SizeClassFor(48);
  std::vector<Object*> taken = Take(size_class, SlabCapacity(size_class));
  Slice* slab = runs_.Find(taken[0]);
  ASSERT_EQ(Broken(), "nothing");
  const Slice kept = *slab;
  slab->owner = &taken;
  EXPECT_EQ(Broken(), "slab of another owner");
  *slab = kept;
  slab->slab.size_class = 0;
  EXPECT_EQ(Broken(), "broken descriptor of a slab");
  *slab = kept;
  slab->slab.carved = static_cast<uint16_t>(slab->slab.capacity + 1);
  EXPECT_EQ(Broken(), "broken descriptor of a slab");
  *slab = kept;
  slab->swept_pages = 1;
  EXPECT_EQ(Broken(), "wrong count of a slab's purged objects");
  *slab = kept;
  slab->slab.needed = static_cast<uint16_t>(slab->slab.needed + 1);
  EXPECT_EQ(Broken(), "wrong count of a slab's free objects");
  *slab = kept;
  slab->slab.size_class = kNumSizeClasses;
  EXPECT_EQ(Broken(), "broken descriptor of a slab");
  *slab = kept;
  slab->kind = RunKind::kBusy;
  EXPECT_EQ(Broken(), "slab of another owner");
  *slab = kept;
  slab->key = kept.key ^ 1;
  EXPECT_EQ(Broken(), "slab of another owner");
  *slab = kept;
  EXPECT_EQ(Broken(), "nothing");
}

TEST_F(SlabDamageTest, EachLinkIsLookedAt) {
  if (kIsSecure) GTEST_SKIP() << "links are keyed";
  const size_t size_class = SizeClassFor(48);
  std::vector<Object*> taken = Take(size_class, SlabCapacity(size_class));
  Object* other_size = TakeOnce(SizeClassFor(96))[0];
  for (int i = 0; i < 5; ++i) Free(taken[i]);
  ASSERT_EQ(Broken(), "nothing");
  Object* const good = taken[2]->next;
  char* start = reinterpret_cast<char*>(good);
  Object copy = *good;
  for (void* link :
       {static_cast<void*>(other_size), static_cast<void*>(&copy),
        static_cast<void*>(start + 16), static_cast<void*>(taken[4]),
        static_cast<void*>(taken[10])}) {
    // That an object is in use, marks tell.
    if (!kChecksObjects && link == taken[10]) continue;
    taken[2]->next = static_cast<Object*>(link);
    EXPECT_EQ(Broken(), "overwritten free object");
  }
  // One that is left out.
  taken[2]->next = taken[0];
  EXPECT_EQ(Broken(), "wrong count of a slab's free objects");
  taken[2]->next = good;
  if (kChecksObjects) {
    const uintptr_t mark = good->mark;
    good->mark = 0;
    EXPECT_EQ(Broken(), "overwritten free object");
    good->mark = mark;
  }
  EXPECT_EQ(Broken(), "nothing");
}

}  // namespace
}  // namespace myonly::internal
