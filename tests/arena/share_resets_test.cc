// What a share has kept of before its arena was reset.
#include <cstddef>
#include <set>

#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/slice_cache.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/share_fixture.h"

namespace myonly::internal {
namespace {

using ShareResetsTest = ShareFixture;

// What it had before a reset is there at once, of which nobody was charged.
TEST_F(ShareResetsTest, AfterManyRequestsAResetKeepsWhatIsWantedAgain) {
  if (kIsSecure) GTEST_SKIP() << "secure keeps nothing";
  const auto fill = [this] {
    std::set<void*> blocks;
    for (int i = 0; i < 500; ++i) blocks.insert(Allocate(16 + i * 2 % 1008));
    return blocks;
  };
  fill();
  arena_.Reset(&cache_);
  const std::set<void*> before = fill();
  for (int round = 0; round < 3; ++round) {
    const size_t held = share_.held_bytes();
    arena_.Reset(&cache_);
    EXPECT_EQ(arena_.Stats().charged_bytes, 0U);
    EXPECT_EQ(share_.held_bytes(), 0U);
    Allocate(100);
    // All but the region.
    EXPECT_EQ(arena_.Stats().charged_bytes, held - kSliceSize);
    EXPECT_EQ(arena_.Stats().live_blocks, 1U);
    EXPECT_EQ(fill().size(), 500U);
    EXPECT_EQ(arena_.Stats().live_blocks, 501U);
    EXPECT_TRUE(ground_.Check(arena_));
  }
  // By another thread it is dropped as ever, and for another arena.
  SliceCache others;
  arena_.Reset(&others);
  Allocate(100);
  EXPECT_EQ(share_.held_bytes(), kSliceSize);
  fill();
  EXPECT_TRUE(arena_.Close(/*require_empty=*/false, &cache_));
  EXPECT_TRUE(share_.was_busy());
  Open(32);
  Allocate(100);
  EXPECT_EQ(share_.held_bytes(), kSliceSize);
  EXPECT_TRUE(arena_.Close(/*require_empty=*/false, &cache_));
  EXPECT_FALSE(share_.was_busy());
  Open(48);
  others.Release(ground_.runs());
}

TEST_F(ShareResetsTest, WhatAResetKeepsPassesNoLimit) {
  for (const size_t slices : {4, 40, 200}) {
    for (int round = 0; round < 3; ++round) {
      arena_.Reset(&cache_);
      arena_.quota().set_limit_bytes(0);
      for (int i = 0; i < 500; ++i) Allocate(16 + i * 2 % 1008);
    }
    arena_.Reset(&cache_);
    arena_.quota().set_limit_bytes(slices * kSliceSize);
    Allocate(100);
    EXPECT_LE(arena_.Stats().charged_bytes,
              slices * kSliceSize / 2 + kSliceSize);
    // All that the limit allows can be had by large blocks.
    Status status = Status::kOk;
    EXPECT_NE(
        share_.Allocate((slices - 2) * kSliceSize, kMinAlignment, &status),
        nullptr);
  }
  arena_.quota().set_limit_bytes(0);
}

}  // namespace
}  // namespace myonly::internal
