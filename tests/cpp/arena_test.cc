#include "capi/cpp/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "myonly/myonly.h"

namespace myonly {
namespace {

static_assert(!std::is_copy_constructible_v<Arena>);
static_assert(!std::is_copy_assignable_v<Arena>);
static_assert(std::is_nothrow_move_constructible_v<Arena>);
static_assert(std::is_nothrow_move_assignable_v<Arena>);

TEST(CppArenaTest, HasItsNameAndStartsEmpty) {
  Arena arena("test");
  ASSERT_TRUE(arena);
  EXPECT_EQ(arena.status(), MYONLY_OK);
  EXPECT_STREQ(arena.Stats().name, "test");
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
}

TEST(CppArenaTest, AllocatesInItselfAndFrees) {
  Arena arena("test");
  void* ptr = arena.Allocate(100);
  ASSERT_NE(ptr, nullptr);
  std::memset(ptr, 1, 100);
  myonly_arena* owner = nullptr;
  EXPECT_EQ(myonly_arena_of(ptr, &owner), MYONLY_OK);
  EXPECT_EQ(owner, arena.get());
  EXPECT_EQ(arena.Stats().live_blocks, 1U);
  Arena::Free(ptr);
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
  EXPECT_EQ(arena.Check(), MYONLY_OK);
}

TEST(CppArenaTest, AlignsAsAsked) {
  Arena arena("test");
  void* ptr = arena.AllocateAligned(4096, 10);
  ASSERT_NE(ptr, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(ptr) % 4096, 0U);
}

TEST(CppArenaTest, ResetDropsAllBlocks) {
  Arena arena("test");
  for (int i = 0; i < 10; ++i) ASSERT_NE(arena.Allocate(50), nullptr);
  EXPECT_EQ(arena.Stats().live_blocks, 10U);
  EXPECT_EQ(arena.Reset(), MYONLY_OK);
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
  EXPECT_NE(arena.Allocate(50), nullptr);
}

TEST(CppArenaTest, DestructorDestroys) {
  myonly_arena* handle = nullptr;
  {
    Arena arena("test");
    handle = arena.get();
    ASSERT_NE(arena.Allocate(50), nullptr);
  }
  EXPECT_EQ(myonly_arena_reset(handle), MYONLY_ERR_STALE);
}

TEST(CppArenaTest, MoveTakesTheArenaAlong) {
  Arena first("first");
  void* ptr = first.Allocate(50);
  ASSERT_NE(ptr, nullptr);
  myonly_arena* handle = first.get();
  Arena second(std::move(first));
  EXPECT_EQ(second.get(), handle);
  EXPECT_EQ(second.Stats().live_blocks, 1U);
  EXPECT_EQ(second.status(), MYONLY_OK);
}

TEST(CppArenaTest, MovedFromArenaFailsAndHarmsNothing) {
  Arena first("first");
  const Arena second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what it is about
  EXPECT_EQ(first.status(), MYONLY_ERR_INVALID);
  EXPECT_EQ(first.Allocate(10), nullptr);
  EXPECT_NE(first.Reset(), MYONLY_OK);
  EXPECT_NE(first.Check(), MYONLY_OK);
  EXPECT_EQ(first.Stats().allocations, 0U);
}

TEST(CppArenaTest, MoveAssignmentDestroysTheOldArena) {
  Arena first("first");
  Arena second("second");
  myonly_arena* old = second.get();
  myonly_arena* kept = first.get();
  second = std::move(first);
  EXPECT_EQ(second.get(), kept);
  EXPECT_EQ(myonly_arena_reset(old), MYONLY_ERR_STALE);
  EXPECT_EQ(second.Reset(), MYONLY_OK);
}

TEST(CppArenaTest, ReleaseGivesTheArenaAway) {
  Arena arena("test");
  myonly_arena* handle = arena.release();
  EXPECT_FALSE(arena);
  EXPECT_EQ(myonly_arena_destroy(handle, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(CppArenaTest, FailedCreationSaysWhy) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.version = 1;  // no such version
  const Arena arena(options);
  EXPECT_FALSE(arena);
  EXPECT_EQ(arena.status(), MYONLY_ERR_UNSUPPORTED);
}

TEST(CppArenaTest, LimitIsKept) {
  Arena arena("small", 1 << 20);
  ASSERT_TRUE(arena);
  EXPECT_EQ(arena.Allocate(2 << 20), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
}

}  // namespace
}  // namespace myonly
