// What a reader sees of a slab, whatever its owner has done with the objects.
#include "allocator/slabs/slab_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

class SlabReaderTest : public SlabPoolTest {
 protected:
  void SetUp() override {
    if (!kChecksObjects) GTEST_SKIP() << "the fast preset has no marks";
  }
  SlabReader Reader(const Slice* slab) {
    return SlabReader(slab, runs_.AddressOf(slab), this);
  }
  // The live objects of the slab at `address`, in order.
  std::vector<Object*> Live(const void* address) {
    const SlabReader reader = Reader(runs_.Find(address));
    std::vector<Object*> live;
    for (size_t i = 0; i < reader.num_objects(); ++i) {
      if (reader.IsLive(i)) {
        live.push_back(reinterpret_cast<Object*>(reader.At(i)));
      }
    }
    EXPECT_TRUE(reader.IsSame());
    return live;
  }
  // The preset secure carves objects at random.
  static std::vector<Object*> InOrder(std::vector<Object*> objects) {
    std::sort(objects.begin(), objects.end());
    return objects;
  }
};

TEST_F(SlabReaderTest, SeesWhatIsTakenAndNotWhatIsFree) {
  for (size_t size_class : {1, 3, 7, 33, 64}) {
    std::vector<Object*> taken = InOrder(TakeOnce(size_class));
    EXPECT_EQ(Live(taken[0]), taken) << size_class;
    std::vector<Object*> kept;
    for (size_t i = 0; i < taken.size(); ++i) {
      if (i % 3 == 0) {
        Free(taken[i]);
      } else {
        kept.push_back(taken[i]);
      }
    }
    EXPECT_EQ(Live(taken[0]), kept) << size_class;
  }
}

// Of an object on two pages either may be gone.
TEST_F(SlabReaderTest, AnObjectIsGoneWithAnyOfItsPages) {
  for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
    const size_t bytes = ObjectBytes(size_class);
    const std::vector<Object*> all = Take(size_class, SlabCapacity(size_class));
    Slice* slab = runs_.Find(all[0]);
    for (const unsigned pages : {0x01U, 0x80U, 0x54U, 0xfeU}) {
      slab->swept_pages = static_cast<uint8_t>(pages);
      const SlabReader reader = Reader(slab);
      ASSERT_EQ(reader.num_objects(), SlabCapacity(size_class));
      for (size_t i = 0; i < reader.num_objects(); ++i) {
        const unsigned on = 1U << i * bytes / kPageSize |
                            1U << (i * bytes + bytes - 1) / kPageSize;
        ASSERT_EQ(reader.IsSwept(i), (pages & on) != 0) << bytes << " " << i;
        ASSERT_EQ(reader.IsLive(i), (pages & on) == 0) << bytes << " " << i;
      }
    }
    slab->swept_pages = 0;
  }
}

TEST_F(SlabReaderTest, ObjectsOfListsAreNotLive) {
  Object* list = pool_.Refill(4, &status_);
  EXPECT_TRUE(Live(list).empty());
  Object* second = list->next;
  Slab::ClearMark(second);
  EXPECT_EQ(Live(list), std::vector<Object*>{second});
}

// Data that looks like another thread's mark is data.
TEST_F(SlabReaderTest, WhatAProgramWritesDoesNotMatter) {
  std::vector<Object*> taken = InOrder(TakeOnce(2));
  for (Object* object : taken) {
    object->next = nullptr;
    object->mark = kToken + 64;
  }
  EXPECT_EQ(Live(taken[0]), taken);
}

TEST_F(SlabReaderTest, ObjectsOnPurgedPagesAreNotLive) {
  for (size_t size_class : {3, 16, 50}) {
    const size_t capacity = SlabCapacity(size_class);
    std::vector<Object*> taken = Take(size_class, 2 * capacity);
    std::vector<Object*> kept;
    const Slice* slab = runs_.Find(taken[0]);
    for (Object* object : taken) {
      if (runs_.Find(object) != slab) continue;
      // Two pages lose all their objects.
      const size_t page =
          (reinterpret_cast<char*>(object) - runs_.AddressOf(slab)) / kPageSize;
      if (page == 2 || page == 3 || page == 6) {
        Free(object);
      } else {
        kept.push_back(object);
      }
    }
    std::sort(kept.begin(), kept.end());
    SweepAll();
    ASSERT_NE(slab->swept_pages, 0) << size_class;
    EXPECT_EQ(Live(taken[0]), kept) << size_class;
    // Carved again, they wait in a list.
    Object* list = pool_.Refill(size_class, &status_);
    while (list != nullptr && runs_.Find(list) != slab) {
      for (; !Slab::IsEnd(list); list = list->next) Slab::ClearMark(list);
      list = pool_.Refill(size_class, &status_);
    }
    ASSERT_NE(list, nullptr);
    EXPECT_EQ(Live(taken[0]), kept) << size_class;
    Slab::ClearMark(list);
    kept.push_back(list);
    std::sort(kept.begin(), kept.end());
    EXPECT_EQ(Live(taken[0]), kept) << size_class;
  }
}

TEST_F(SlabReaderTest, NoticesThatTheSlabIsGivenUp) {
  std::vector<Object*> taken = Take(8, SlabCapacity(8) + 1);
  const Slice* slab = runs_.Find(taken[0]);
  const SlabReader reader = Reader(slab);
  EXPECT_TRUE(reader.IsSame());
  EXPECT_EQ(reader.num_objects(), SlabCapacity(8));
  for (Object* object : taken) {
    if (runs_.Find(object) == slab) Free(object);
  }
  EXPECT_FALSE(reader.IsSame());
  EXPECT_EQ(Reader(slab).num_objects(), 0u);
}

}  // namespace
}  // namespace myonly::internal
