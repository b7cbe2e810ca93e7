// An arena whose page source has nothing more to give: free runs stand in for
// mappings.
#include <cstddef>

#include "allocator/arena/arena.h"
#include "allocator/base/status.h"
#include "allocator/pages/fake_page_source.h"
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
  ASSERT_NE(ptr, nullptr);
  EXPECT_EQ(status, Status::kOk);
  EXPECT_GE(ground_.UsableSize(ptr), 16 * kMiB);
  Fill(ptr, 16 * kMiB, 7);
  EXPECT_TRUE(IsFilled(ptr, 16 * kMiB, 7));
  EXPECT_TRUE(ground_.Check(arena_));
  ground_.Free(ptr);
}

TEST_F(ShortAddressesTest, ZeroedMemoryFromFreeRunsIsZero) {
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
  pages_.StopFailing();
  const size_t commits = pages_.Count(FakePageSource::Verb::kCommit);
  pages_.FailCall(0);
  Status status = Status::kOk;
  EXPECT_EQ(arena_.Allocate(32 * kMiB, &status), nullptr);
  EXPECT_EQ(status, Status::kNoMemory);
  EXPECT_TRUE(pages_.TakeFailed());
  EXPECT_EQ(pages_.Count(FakePageSource::Verb::kCommit), commits);
}

}  // namespace
}  // namespace myonly::internal
