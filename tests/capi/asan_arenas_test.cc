// What AddressSanitizer says of misuse of an arena's memory, in a build with
// --config=asan --define=myonly_asan=arenas. In others this is skipped.
#include <string.h>

#include <cstddef>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

class AsanArenasTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
#ifndef MYONLY_TELLS_ASAN
    GTEST_SKIP() << "needs --config=asan --define=myonly_asan=arenas";
#endif
    ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
    // Objects of slabs, too.
    for (int i = 0; i < 1000; ++i) Block();
    block_ = Block();
    memset(block_, 1, GetParam());
  }
  char* Block() {
    return static_cast<char*>(myonly_arena_alloc(arena_, GetParam()));
  }
  static void Touch(volatile char* byte) { *byte = 2; }

  myonly_arena* arena_ = nullptr;
  char* block_ = nullptr;
};

constexpr char kReport[] = "AddressSanitizer: use-after-poison";

TEST_P(AsanArenasTest, UseAfterFreeIsReported) {
  myonly_free(block_);
  EXPECT_DEATH(Touch(block_), kReport);
  EXPECT_DEATH(Touch(block_ + GetParam() / 2), kReport);
}

TEST_P(AsanArenasTest, UseAfterResetIsReported) {
  ASSERT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
  EXPECT_DEATH(Touch(block_), kReport);
}

TEST_P(AsanArenasTest, UseAfterDestroyIsReported) {
  ASSERT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_DEATH(Touch(block_), kReport);
}

TEST_P(AsanArenasTest, OverflowIntoTheGapIsReported) {
  EXPECT_DEATH(Touch(block_ + GetParam()), kReport);
  // Who asks may use it.
  const size_t usable = myonly_usable_size(block_);
  memset(block_, 1, usable);
}

TEST_P(AsanArenasTest, BlocksOfTheProcessHeapAreTold) {
  auto* block = static_cast<char*>(myonly_alloc(GetParam()));
  memset(block, 1, GetParam());
  // It has no name for it where nothing behind the block is poisoned.
  EXPECT_DEATH(Touch(block + GetParam()),
               "AddressSanitizer: (use-after-poison|unknown-crash)");
  myonly_free(block);
  EXPECT_DEATH(Touch(block), kReport);
}

// An arena whose parent has a callback, which drops it at the limit.
struct DroppedArena {
  explicit DroppedArena(bool is_destroyed) : destroys(is_destroyed) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.limit_bytes = kLimit;
    options.ctx = this;
    options.on_pressure = OnPressure;
    EXPECT_EQ(myonly_arena_create(&options, &parent), MYONLY_OK);
    options = MYONLY_ARENA_OPTIONS_INIT;
    options.parent = parent;
    EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  }
  ~DroppedArena() {
    EXPECT_EQ(myonly_arena_check(parent), MYONLY_OK);
    if (!destroys) myonly_arena_destroy(arena, MYONLY_DESTROY_FREE);
    EXPECT_EQ(myonly_arena_destroy(parent, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  static void OnPressure(void* ctx, myonly_arena*, int32_t event) {
    auto* self = static_cast<DroppedArena*>(ctx);
    if (event != MYONLY_PRESSURE_LIMIT) return;
    EXPECT_EQ(self->destroys
                  ? myonly_arena_destroy(self->arena, MYONLY_DESTROY_FREE)
                  : myonly_arena_reset(self->arena),
              MYONLY_OK);
  }
  static constexpr size_t kLimit = size_t{1} << 20;
  const bool destroys;
  myonly_arena* parent = nullptr;
  myonly_arena* arena = nullptr;
};

// Whether what is asked for fits once the arena is empty, or does not.
TEST_P(AsanArenasTest, ABlockThatIsDroppedInReallocIsGone) {
  for (const bool destroys : {false, true}) {
    for (const size_t size : {DroppedArena::kLimit / 8 * 7, size_t{9} << 20}) {
      const DroppedArena dropped(destroys);
      auto* block =
          static_cast<char*>(myonly_arena_alloc(dropped.arena, GetParam()));
      memset(block, 1, GetParam());
      myonly_arena_alloc(dropped.arena, DroppedArena::kLimit / 2);
      EXPECT_EQ(myonly_realloc(block, size), nullptr);
      EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
      EXPECT_DEATH(Touch(block), kReport);
    }
  }
}

// Of which the largest are not told.
TEST_P(AsanArenasTest, ReallocMakesAllOfItUsable) {
  constexpr size_t kHuge = size_t{9} << 20;
  char* block = block_;
  for (const size_t size : {kHuge, GetParam(), kHuge, size_t{1}}) {
    block = static_cast<char*>(myonly_arena_realloc(arena_, block, size));
    memset(block, 3, size);
  }
  myonly_free(block);
}

TEST_P(AsanArenasTest, GoodProgramsAreNotReported) {
  for (int round = 0; round < 3; ++round) {
    char* block = block_;
    for (size_t size : {GetParam() * 2, GetParam() / 2, GetParam() * 40}) {
      block = static_cast<char*>(myonly_arena_realloc(arena_, block, size));
      memset(block, 3, size);
      myonly_try_resize(block, size / 2, nullptr);
      memset(block, 3, size / 2);
    }
    void* batch[50];
    ASSERT_EQ(myonly_arena_alloc_batch(arena_, GetParam(), batch, 50), 50u);
    for (void* each : batch) memset(each, 4, GetParam());
    myonly_free_batch(batch, 50);
    size_t actual = 0;
    void* more = myonly_arena_alloc_at_least(arena_, GetParam(), 64, &actual);
    memset(more, 5, actual);
    void* zero = myonly_arena_calloc(arena_, 2, GetParam());
    memset(zero, 6, 2 * GetParam());
    ASSERT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
    // The same pages for the process heap.
    void* other = myonly_calloc(3, GetParam());
    memset(other, 7, 3 * GetParam());
    myonly_free(other);
    block_ = Block();
    memset(block_, 8, GetParam());
  }
  EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_ERR_BUSY);
  memset(block_, 9, GetParam());
  EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
}

INSTANTIATE_TEST_SUITE_P(Sizes, AsanArenasTest,
                         ::testing::Values(20, 100, 5001, 100001));

}  // namespace
