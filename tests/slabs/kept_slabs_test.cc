// What a pool of slabs keeps when all is dropped, and has again.
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "allocator/base/preset.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/slabs/slab_pool.h"
#include "gtest/gtest.h"
#include "tests/slabs/slab_pool_fixture.h"

namespace myonly::internal {
namespace {

class KeptSlabsTest : public SlabPoolTest {
 protected:
  static constexpr uintptr_t kWhom = 16;

  KeptSlabsTest() { Forget(); }
  void Forget() {
    for (Object*& list : lists_) list = pool_.end();
  }
  // Takes `count` objects as a share does: through the class's list.
  std::vector<Object*> TakeListed(size_t size_class, size_t count) {
    std::vector<Object*> taken;
    while (taken.size() < count) {
      Object*& list = lists_[size_class];
      if (Slab::IsEnd(list)) list = pool_.Refill(size_class, &status_);
      taken.push_back(list);
      list = list->next;
      Slab::ClearMark(taken.back());
    }
    return taken;
  }
  // All that a list has; they must be the slab's first objects, in any order.
  void ExpectFirstObjects(size_t size_class, size_t count) {
    std::set<const char*> objects;
    for (Object* object = lists_[size_class]; !Slab::IsEnd(object);
         object = object->next) {
      EXPECT_EQ(object->mark, kToken);
      objects.insert(reinterpret_cast<const char*>(object));
    }
    ASSERT_EQ(objects.size(), count);
    const char* start = runs_.AddressOf(runs_.Find(*objects.begin()));
    size_t i = 0;
    for (const char* object : objects) {
      EXPECT_EQ(object, start + i++ * ObjectBytes(size_class));
    }
  }
  void Drop(uint64_t least_taken = 0) {
    pool_.DropAll(lists_, &cache_, {kWhom, least_taken});
    EXPECT_EQ(quota_.charged_bytes(), 0U);
    EXPECT_EQ(pool_.slab_bytes(), 0U);
    EXPECT_EQ(pool_.used_bytes(), 0U);
    EXPECT_EQ(pool_.taken(), pool_.known_back());
    EXPECT_TRUE(Check());
  }

  Object* lists_[kNumSizeClasses];
};

TEST_F(KeptSlabsTest, EachClassThatWasInUseHasItsListAgain) {
  if (kIsSecure) GTEST_SKIP() << "secure keeps nothing";
  const size_t tiny = SizeClassFor(32);
  const size_t small = SizeClassFor(256);
  const size_t largest = SizeClassFor(1024);
  const size_t unused = SizeClassFor(512);
  for (int round = 0; round < 3; ++round) {
    // Some of a list; a list to its end, some of it back; more than a page.
    TakeListed(tiny, 5);
    std::vector<Object*> objects = TakeListed(small, 16);
    Free(objects[3]);
    Free(objects[9]);
    TakeListed(largest, 9);
    TakeListed(unused, 1);
    const uint64_t taken = pool_.taken();
    Drop();
    EXPECT_LE(pool_.taken(), taken);
    EXPECT_FALSE(pool_.Reopen(lists_, kWhom + 16));
    ASSERT_TRUE(pool_.Reopen(lists_, kWhom));
    EXPECT_EQ(quota_.charged_bytes(), 4 * kSliceSize);
    EXPECT_EQ(pool_.slab_bytes(), 4 * kSliceSize);
    ExpectFirstObjects(tiny, 128);
    ExpectFirstObjects(small, 16);
    ExpectFirstObjects(largest, 12);
    ExpectFirstObjects(unused, 8);
    EXPECT_TRUE(Check());
    EXPECT_EQ(Used(), 128 + 16 + 12 + 8U);
    EXPECT_EQ(UsedBytes(), pool_.used_bytes());
    // What nobody takes this time is not kept the next time.
    TakeListed(tiny, 1);
    Drop();
    ASSERT_TRUE(pool_.Reopen(lists_, kWhom));
    EXPECT_EQ(pool_.slab_bytes(), kSliceSize);
    Drop();
    EXPECT_FALSE(pool_.Reopen(lists_, kWhom));
    cache_.Release(runs_);
  }
}

TEST_F(KeptSlabsTest, OfManySlabsOneIsKept) {
  if (kIsSecure) GTEST_SKIP() << "secure keeps nothing";
  const size_t size_class = SizeClassFor(1024);
  TakeListed(size_class, 5 * SlabCapacity(size_class) + 1);
  Drop();
  EXPECT_EQ(cache_.bytes(), 6 * kSliceSize);
  ASSERT_TRUE(pool_.Reopen(lists_, kWhom));
  ExpectFirstObjects(size_class, 4);
  // The others are anybody's.
  TakeListed(size_class, 5 * SlabCapacity(size_class));
  EXPECT_EQ(runs_.live_bytes(), 6 * kSliceSize);
  EXPECT_TRUE(Check());
}

TEST_F(KeptSlabsTest, AfterLittleUseNothingIs) {
  const size_t size_class = SizeClassFor(64);
  for (const size_t taken : {9, 10}) {
    const uint64_t before = pool_.taken();
    TakeListed(size_class, taken);
    Drop(before + 10);
    EXPECT_EQ(pool_.Reopen(lists_, kWhom), taken == 10 && !kIsSecure);
    Drop();
    cache_.Release(runs_);
  }
  TakeListed(size_class, 100);
  pool_.DropAll(lists_, &cache_);
  EXPECT_FALSE(pool_.Reopen(lists_, kWhom));
  EXPECT_FALSE(pool_.Reopen(lists_, 0));
}

}  // namespace
}  // namespace myonly::internal
