// A thread's share of an arena: which objects come to its lists when they are
// freed, so that they are the next ones.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/preset.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/share_fixture.h"

namespace myonly::internal {
namespace {

constexpr size_t kSize = 1000;
constexpr const char* kOneSlab = "each list is of one slab there";

class ShareListsTest : public ShareFixture {
 protected:
  // Objects of so many slabs, all of them used; one of each is returned.
  std::vector<void*> FillSlabs(size_t slabs, size_t size = kSize) {
    // Who calls for little has short lists, and first blocks of a size.
    for (int i = 0; i < 20; ++i) Warm(500);
    for (int i = 0; i < 8; ++i) Allocate(size);
    std::vector<void*> firsts;
    const size_t count = (slabs + 1) * SlabCapacity(SizeClassFor(size));
    for (size_t i = 0; i < count && firsts.size() < slabs; ++i) {
      void* object = Allocate(size);
      if (firsts.empty() || SlabOf(object) != SlabOf(firsts.back())) {
        firsts.push_back(object);
      }
    }
    // The last one is being handed out.
    while (StateOf(firsts.back()) == SlabState::kActive) Allocate(size);
    for (void* first : firsts) EXPECT_EQ(StateOf(first), SlabState::kFull);
    return firsts;
  }
  void Free(void* object, bool has_work = false) {
    if (Slab::Free(SlabOf(object), object)) {
      share_.Attend(SlabOf(object), has_work);
    }
  }
  Slice* SlabOf(const void* object) { return ground_.runs().Find(object); }
  SlabState StateOf(const void* object) { return SlabOf(object)->slab.state; }
  uint64_t LiveBlocks() {
    ArenaStats stats = {};
    share_.AddStats(&stats);
    return stats.live_blocks;
  }
};

// The caches have it, and no slab is moved to another list and back.
TEST_F(ShareListsTest, WhatComesBackToAFullSlabIsTheNextOne) {
  if (kIsSecure) GTEST_SKIP() << kOneSlab;
  std::vector<void*> objects = FillSlabs(40);
  const uint64_t live = LiveBlocks();
  constexpr size_t kRounds = 100;
  size_t same = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    for (void*& object : objects) {
      void* before = object;
      Free(object);
      ASSERT_EQ(LiveBlocks(), live - 1);
      object = Allocate(kSize);
      same += object == before ? 1 : 0;
    }
  }
  EXPECT_EQ(LiveBlocks(), live);
  // But for those of the slab in use, and now and then a slow path has to come.
  EXPECT_GE(same, kRounds * objects.size() / 100 * 90);
}

// The others wait in their slabs, which can become empty.
TEST_F(ShareListsTest, FewComeToTheList) {
  if (kIsSecure) GTEST_SKIP() << kOneSlab;
  constexpr size_t kSlabs = 100;
  const std::vector<void*> firsts = FillSlabs(kSlabs);
  const uint64_t live = LiveBlocks();
  size_t listed = 0;
  for (void* first : firsts) {
    Free(first);
    listed += StateOf(first) == SlabState::kFull ? 1 : 0;
  }
  EXPECT_GE(listed, 1U);
  EXPECT_LE(listed, 12U);
  EXPECT_EQ(LiveBlocks(), live - kSlabs);
}

// What others have posted is taken in by a slow path, which needs an empty
// list.
TEST_F(ShareListsTest, NoneComesToTheListWhereOtherWorkWaits) {
  if (kIsSecure) GTEST_SKIP() << kOneSlab;
  const std::vector<void*> firsts = FillSlabs(3);
  Free(firsts[0], /*has_work=*/true);
  EXPECT_EQ(StateOf(firsts[0]), SlabState::kPartial);
  Slice* slab = SlabOf(firsts[1]);
  auto* object = static_cast<Object*>(firsts[1]);
  ASSERT_TRUE(Slab::CheckAndMark(slab, object));
  SubHeap::Post(slab, {object, object, 1});
  Free(firsts[2]);
  EXPECT_EQ(StateOf(firsts[2]), SlabState::kPartial);
}

// Of many small objects more are back before the slab is looked at.
TEST_F(ShareListsTest, SmallObjectsWaitForOthers) {
  const std::vector<void*> firsts = FillSlabs(2, 64);
  Free(firsts[0]);
  EXPECT_EQ(StateOf(firsts[0]), SlabState::kFull);
  EXPECT_NE(Allocate(64), firsts[0]);
}

TEST_F(ShareListsTest, WhatIsListedIsGivenBackWithTheRest) {
  if (kIsSecure) GTEST_SKIP() << kOneSlab;
  std::vector<void*> firsts = FillSlabs(10);
  for (void* first : firsts) Free(first);
  share_.ReleaseSpare();
  for (void* first : firsts) EXPECT_NE(StateOf(first), SlabState::kFull);
}

}  // namespace
}  // namespace myonly::internal
