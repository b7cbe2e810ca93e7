// An arena whose page source has nothing more to give: free runs stand in for
// mappings.
#include <cstddef>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/own_ground.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/given_page_source.h"
#include "allocator/pages/page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class ShortAddressesTest : public ::testing::Test {
 protected:
  ShortAddressesTest()
      : ground_(pages_), arena_(ground_.runs(), ground_.huge(), TestSeed, "") {
    arena_.Open(ArenaOptions());
    // One more record, so that none is missing later.
    Status status = Status::kOk;
    ground_.Free(arena_.Allocate(9 * kMiB, &status));
    void* blocks[5];
    for (void*& block : blocks) block = arena_.Allocate(4 * kMiB, &status);
    for (void* block : blocks) ground_.Free(block);
    ground_.huge().Purge(0);
    pages_.FailFrom(0);
  }
  ~ShortAddressesTest() override {
    pages_.StopFailing();
    EXPECT_TRUE(ground_.Check(arena_));
    arena_.Close(/*require_empty=*/false);
  }

  FakePageSource pages_;
  Ground ground_;
  Arena arena_;
};

TEST_F(ShortAddressesTest, AHugeRequestIsServedFromFreeRuns) {
  Status status = Status::kOk;
  void* ptr = arena_.Allocate(16 * kMiB, &status);
  if (kIsSecure) {  // freed runs fault, and the system gives no access either
    EXPECT_EQ(ptr, nullptr);
    EXPECT_EQ(status, Status::kNoMemory);
    pages_.StopFailing();
    status = Status::kOk;
    ptr = arena_.Allocate(16 * kMiB, &status);
  }
  ASSERT_NE(ptr, nullptr);
  EXPECT_EQ(status, Status::kOk);
  EXPECT_GE(ground_.UsableSize(ptr), 16 * kMiB);
  Fill(ptr, 16 * kMiB, 7);
  EXPECT_TRUE(IsFilled(ptr, 16 * kMiB, 7));
  EXPECT_TRUE(ground_.Check(arena_));
  ground_.Free(ptr);
}

TEST_F(ShortAddressesTest, ZeroedMemoryFromFreeRunsIsZero) {
  if (kIsSecure) GTEST_SKIP() << "freed runs fault while the system refuses";
  Status status = Status::kOk;
  void* ptr = arena_.Allocate(16 * kMiB, &status);
  Fill(ptr, 16 * kMiB, 7);
  ground_.Free(ptr);
  ptr = arena_.AllocateZeroed(16 * kMiB, &status);
  ASSERT_NE(ptr, nullptr);
  EXPECT_TRUE(IsZero(ptr, 16 * kMiB));
  ground_.Free(ptr);
}

TEST_F(ShortAddressesTest, WhatNothingCanServeIsRefused) {
  Status status = Status::kOk;
  EXPECT_EQ(arena_.Allocate(64 * kMiB, &status), nullptr);
  EXPECT_EQ(status, Status::kNoMemory);
}

// As much could still be committed for runs, but would stay the process's.
TEST_F(ShortAddressesTest, NoRunGrowsForWhatIsRefusedAsAMapping) {
  if (kIsSecure) GTEST_SKIP() << "a freed mapping makes room (poisoned_test)";
  pages_.StopFailing();
  const size_t commits = pages_.Count(FakePageSource::Verb::kCommit);
  pages_.FailCall(0);
  Status status = Status::kOk;
  EXPECT_EQ(arena_.Allocate(32 * kMiB, &status), nullptr);
  EXPECT_EQ(status, Status::kNoMemory);
  EXPECT_TRUE(pages_.TakeFailed());
  EXPECT_EQ(pages_.Count(FakePageSource::Verb::kCommit), commits);
}

// Has nothing more to give until something comes back.
class FullPageSource final : public PageSource {
 public:
  void* Reserve(size_t bytes, size_t alignment, Access access) override {
    return is_full ? nullptr : pages_.Reserve(bytes, alignment, access);
  }
  bool Commit(void* start, size_t bytes) override {
    return !is_full && pages_.Commit(start, bytes);
  }
  bool Decommit(void* start, size_t bytes) override {
    return pages_.Decommit(start, bytes);
  }
  bool Purge(void* start, size_t bytes) override {
    return pages_.Purge(start, bytes);
  }
  bool Release(void* start, size_t bytes) override {
    is_full = false;
    return pages_.Release(start, bytes);
  }
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override {
    return is_full ? nullptr : pages_.Remap(start, old_bytes, new_bytes);
  }
  bool Move(void* start, size_t bytes, void* target) override {
    return pages_.Move(start, bytes, target);
  }
  size_t ReservationLimit() const override { return pages_.ReservationLimit(); }

  bool is_full = false;

 private:
  FakePageSource pages_;
};

TEST(FullMemoryTest, WhatIsKeptForHugeBlocksMakesRoomForARegion) {
  if (kIsSecure) GTEST_SKIP() << "no freed mapping is kept there";
  FullPageSource pages;
  Ground ground(pages);
  Arena arena(ground.runs(), ground.huge(), TestSeed, "");
  arena.Open(ArenaOptions());
  Status status = Status::kOk;
  ground.Free(arena.Allocate(9 * kMiB, &status));
  ASSERT_GE(ground.huge().cached_bytes(), 9 * kMiB);
  pages.is_full = true;
  EXPECT_NE(arena.Allocate(5000, &status), nullptr);
  EXPECT_FALSE(pages.is_full);
  EXPECT_EQ(ground.huge().cached_bytes(), 0U);
  EXPECT_TRUE(ground.Check(arena));
  arena.Close(/*require_empty=*/false);
}

// In memory of the program's, a region that is kept though it is free is in the
// way: the second attempt has its place.
TEST(OwnGroundTest, ALargeBlockHasWhatTheSpareRegionHad) {
  for (const size_t bytes : {kMiB, 3 * kMiB}) {
    FakePageSource pages;
    Ground ground(pages);
    std::vector<char> buffer(bytes);
    OwnGround own(GivenPageSource(), ground.huge(), TestSeed);
    own.runs.Adopt(buffer.data(), bytes);
    own.arena.Open(ArenaOptions());
    Status status = Status::kOk;
    const auto free = [&own](void* ptr) {
      Slice* slice = own.runs.Find(ptr);
      slice->kind == RunKind::kLarge ? own.arena.FreeLarge(slice, ptr)
                                     : own.arena.FreeBlock(slice, ptr);
    };
    size_t most = bytes;
    void* large = nullptr;
    while (large == nullptr) {
      most -= kPageSize;
      large = own.arena.Allocate(most, &status);
    }
    EXPECT_GT(most, bytes / 4 * 3);
    free(large);
    std::vector<void*> blocks;
    while (void* block = own.arena.Allocate(3000, &status)) {
      blocks.push_back(block);
    }
    // The region at the end, of which a large block has no use, not as the
    // last.
    while (!blocks.empty()) {
      free(blocks.back());
      blocks.pop_back();
    }
    EXPECT_NE(own.arena.Stats().region_bytes, 0U);
    large = own.arena.Allocate(most, &status);
    ASSERT_NE(large, nullptr) << bytes;
    free(large);
    EXPECT_TRUE(own.arena.Close(/*require_empty=*/true));
  }
}

}  // namespace
}  // namespace myonly::internal
