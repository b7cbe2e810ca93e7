// realloc in an arena at its limit, whose callback resets the arena: the block
// is gone, also where the call would have left it as it was.
#include <string.h>

#include <cstddef>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

class ReallocResetTest : public testing::Test {
 protected:
  void SetUp() override {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.on_pressure = OnPressure;
    options.ctx = this;
    ASSERT_EQ(myonly_arena_create(&options, &arena_), MYONLY_OK);
  }
  void TearDown() override {
    resets_at_limit_ = false;
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  static void OnPressure(void* ctx, myonly_arena* arena, int32_t event) {
    auto* test = static_cast<ReallocResetTest*>(ctx);
    if (event != MYONLY_PRESSURE_LIMIT || !test->resets_at_limit_) return;
    EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    test->was_reset_ = true;
  }

  size_t Charged() const {
    size_t charged = 0;
    EXPECT_EQ(myonly_arena_charged(arena_, &charged), MYONLY_OK);
    return charged;
  }

  uint64_t LiveBlocks() const {
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT_EQ(myonly_arena_stats(arena_, &stats), MYONLY_OK);
    return stats.live_blocks;
  }

  // True: a block of `from` bytes was to become one of `to`, and the arena was
  // reset meanwhile.
  bool IsResetByRealloc(size_t from, size_t to) {
    resets_at_limit_ = was_reset_ = false;
    EXPECT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_set_limit(arena_, 0), MYONLY_OK);
    // The last of many, when the thread has its own share of the arena.
    void* block = nullptr;
    for (int i = 0; i < 200; ++i) block = myonly_arena_alloc(arena_, from);
    memset(block, 1, from);
    EXPECT_EQ(myonly_arena_set_limit(arena_, Charged()), MYONLY_OK);
    while (myonly_arena_alloc(arena_, to) != nullptr) {
    }
    // It has not told of the limit yet.
    EXPECT_EQ(myonly_arena_set_limit(arena_, 0), MYONLY_OK);
    EXPECT_EQ(myonly_arena_set_limit(arena_, Charged()), MYONLY_OK);
    resets_at_limit_ = true;
    void* moved = myonly_realloc(block, to);
    if (was_reset_) {
      EXPECT_EQ(moved, nullptr);
      EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
      EXPECT_EQ(LiveBlocks(), 0U);
    } else {
      EXPECT_TRUE(moved != nullptr || to > from);
    }
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    return was_reset_;
  }

  myonly_arena* arena_ = nullptr;
  bool resets_at_limit_ = false;
  bool was_reset_ = false;
};

constexpr size_t kSizes[] = {800, 3000, 60000, 1024 * 1024};

TEST_F(ReallocResetTest, NothingIsLeftToGrow) {
  int resets = 0;
  for (const size_t size : kSizes) resets += IsResetByRealloc(size, size * 3);
  EXPECT_GE(resets, 2);
}

TEST_F(ReallocResetTest, NothingIsLeftToShrink) {
  int resets = 0;
  for (const size_t size : kSizes) {
    for (const size_t part : {3, 30}) {
      resets += IsResetByRealloc(size, size / part);
    }
  }
  EXPECT_GE(resets, 1);
}

}  // namespace
