// A callback that resets or destroys the arena whose block is just resized in
// place, or freed with others: what comes after it must not touch the block.
#include <errno.h>
#include <string.h>

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kMiB = 1024 * 1024;

enum class Drop { kNothing, kReset, kDestroy };

// The parent is told, so that the child may be destroyed.
class ResizeResetTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.flags = GetParam();
    options.on_pressure = OnPressure;
    options.ctx = this;
    ASSERT_EQ(myonly_arena_create(&options, &parent_), MYONLY_OK);
    options.on_pressure = nullptr;
    options.parent = parent_;
    ASSERT_EQ(myonly_arena_create(&options, &arena_), MYONLY_OK);
  }
  void TearDown() override {
    drop_ = Drop::kNothing;
    if (arena_ != nullptr) {
      EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
      EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
    }
    EXPECT_EQ(myonly_arena_destroy(parent_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  static void OnPressure(void* ctx, myonly_arena* /*arena*/,
                         int32_t /*event*/) {
    auto* test = static_cast<ResizeResetTest*>(ctx);
    ++test->events_;
    if (test->drop_ == Drop::kReset) {
      EXPECT_EQ(myonly_arena_reset(test->arena_), MYONLY_OK);
    } else if (test->drop_ == Drop::kDestroy) {
      EXPECT_EQ(myonly_arena_destroy(test->arena_, MYONLY_DESTROY_FREE),
                MYONLY_OK);
      test->arena_ = nullptr;
    }
    test->drop_ = Drop::kNothing;
  }

  size_t Charged() const {
    size_t charged = 0;
    EXPECT_EQ(myonly_arena_charged(parent_, &charged), MYONLY_OK);
    return charged;
  }

  // A block that the line is just above or below.
  void* Make(size_t size, bool is_above) {
    void* block = myonly_arena_alloc(arena_, size);
    EXPECT_EQ(
        myonly_arena_set_soft_limit(parent_, Charged() - (is_above ? 1 : 0)),
        MYONLY_OK);
    events_ = 0;
    return block;
  }

  void ExpectGone(void* block, size_t size, Drop drop) {
    drop_ = drop;
    size_t actual = 7;
    const int resized = myonly_try_resize(block, size, &actual);
    if (events_ == 0) GTEST_SKIP() << "not resized in place here";
    EXPECT_EQ(resized, 0);
    EXPECT_EQ(actual, 0U);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  }

  myonly_arena* parent_ = nullptr;
  myonly_arena* arena_ = nullptr;
  Drop drop_ = Drop::kNothing;
  int events_ = 0;
};

TEST_P(ResizeResetTest, ABlockThatGrewIsGone) {
  for (const Drop drop : {Drop::kReset, Drop::kDestroy}) {
    ExpectGone(Make(2 * kMiB, /*is_above=*/false), 3 * kMiB, drop);
  }
}

TEST_P(ResizeResetTest, ABlockThatShrankIsGone) {
  for (const Drop drop : {Drop::kReset, Drop::kDestroy}) {
    ExpectGone(Make(40 * kMiB, /*is_above=*/true), 10 * kMiB, drop);
  }
}

TEST_P(ResizeResetTest, ABlockThatStaysIsAnsweredAsEver) {
  void* block = Make(40 * kMiB, /*is_above=*/true);
  size_t actual = 0;
  EXPECT_EQ(myonly_try_resize(block, 20 * kMiB, &actual), 1);
  EXPECT_EQ(events_, 1);
  EXPECT_EQ(actual, myonly_usable_size(block));
  memset(block, 1, actual);
}

// The callback comes when all are freed.
TEST_P(ResizeResetTest, BlocksOfABatchAreFreedBeforeItIsTold) {
  for (const size_t size : {size_t{20000}, kMiB, 6 * kMiB}) {
    ASSERT_EQ(myonly_arena_set_soft_limit(parent_, 0), MYONLY_OK);
    std::vector<void*> blocks(16);
    ASSERT_EQ(myonly_arena_alloc_batch(arena_, size, blocks.data(), 16), 16U);
    events_ = 0;
    ASSERT_EQ(myonly_arena_set_soft_limit(parent_, Charged() - 1), MYONLY_OK);
    ASSERT_EQ(events_, 1);
    drop_ = Drop::kReset;
    myonly_free_batch(blocks.data(), blocks.size());
    ASSERT_EQ(myonly_arena_purge(parent_, 0), MYONLY_OK);
    ASSERT_EQ(myonly_arena_purge(arena_, 0), MYONLY_OK);
    EXPECT_EQ(events_, 2) << size;
    EXPECT_EQ(Charged(), 0U) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(PagesAndBytes, ResizeResetTest,
                         testing::Values(0, MYONLY_ARENA_EXACT_BYTES));

}  // namespace
