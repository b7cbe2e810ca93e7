// What an arena hands out and how long it lives.
#include "capi/cpp/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "capi/cpp/arena_ref.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

static_assert(!std::is_copy_constructible_v<arena>);
static_assert(!std::is_copy_assignable_v<arena>);
static_assert(std::is_nothrow_move_constructible_v<arena>);
static_assert(std::is_nothrow_move_assignable_v<arena>);
static_assert(std::is_nothrow_swappable_v<arena>);
static_assert(std::is_convertible_v<arena&, arena_ref>);
static_assert(std::is_trivially_copyable_v<arena_ref>);
static_assert(sizeof(arena_ref) == sizeof(myonly_arena*));
// Nobody can put another handle into an owner.
static_assert(!std::is_assignable_v<arena&, arena_ref>);
static_assert(!std::is_assignable_v<arena_functions&, arena_ref>);

uintptr_t Address(const void* ptr) { return reinterpret_cast<uintptr_t>(ptr); }

// --- Blocks ---

TEST(CppArenaTest, HasItsNameAndStartsEmpty) {
  arena arena("test");
  ASSERT_TRUE(arena);
  EXPECT_EQ(arena.status(), MYONLY_OK);
  EXPECT_STREQ(arena.stats().name, "test");
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppArenaTest, AllocatesInItselfAndFrees) {
  arena arena;
  void* ptr = arena.allocate(100);
  ASSERT_NE(ptr, nullptr);
  std::memset(ptr, 1, 100);
  EXPECT_TRUE(arena.owns(ptr));
  EXPECT_EQ(arena.stats().live_blocks, 1U);
  arena::deallocate(ptr);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
  EXPECT_EQ(arena.check(), MYONLY_OK);
}

TEST(CppArenaTest, AlignsAsAsked) {
  arena arena;
  for (size_t alignment = 1; alignment <= 1 << 16; alignment *= 2) {
    void* ptr = arena.allocate(10, alignment);
    ASSERT_NE(ptr, nullptr);
    EXPECT_EQ(Address(ptr) % alignment, 0U);
    arena::deallocate(ptr, 10, alignment);
  }
  EXPECT_EQ(arena.allocate(10, 24), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
}

TEST(CppArenaTest, ZeroedBlocksAreZeroWhenRecycledToo) {
  arena arena;
  for (int round = 0; round < 3; ++round) {
    auto* bytes = static_cast<unsigned char*>(arena.allocate_zeroed(5000));
    ASSERT_NE(bytes, nullptr);
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(bytes[i], 0);
    std::memset(bytes, 0xff, 5000);
    arena::deallocate(bytes);
  }
}

TEST(CppArenaTest, AtLeastTellsWhatMayBeUsed) {
  arena arena;
  const allocation got = arena.allocate_at_least(1000);
  ASSERT_NE(got.ptr, nullptr);
  EXPECT_GE(got.size_bytes, 1000U);
  EXPECT_EQ(got.size_bytes, arena::usable_size(got.ptr));
  std::memset(got.ptr, 1, got.size_bytes);
  arena::deallocate(got.ptr, got.size_bytes);
  EXPECT_EQ(arena.check(), MYONLY_OK);
  const allocation none = arena.allocate_at_least(SIZE_MAX / 2);
  EXPECT_EQ(none.ptr, nullptr);
  EXPECT_EQ(none.size_bytes, 0U);
}

TEST(CppArenaTest, BatchesComeAndGo) {
  arena arena;
  void* blocks[50] = {};
  ASSERT_EQ(arena.allocate_batch(48, blocks, 50), 50U);
  EXPECT_EQ(arena.stats().live_blocks, 50U);
  arena::deallocate_batch(blocks, 50);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppArenaTest, ReallocateKeepsContentsAndArena) {
  arena arena;
  auto* text = static_cast<char*>(arena.allocate(6));
  ASSERT_NE(text, nullptr);
  std::memcpy(text, "hello", 6);
  text = static_cast<char*>(arena.reallocate(text, 100000));
  ASSERT_NE(text, nullptr);
  EXPECT_STREQ(text, "hello");
  EXPECT_TRUE(arena.owns(text));
}

TEST(CppArenaTest, TryResizeNeverMoves) {
  arena arena;
  void* ptr = arena.allocate(20000);
  ASSERT_NE(ptr, nullptr);
  size_t actual = 0;
  EXPECT_TRUE(arena::try_resize(ptr, 10000, &actual));
  EXPECT_GE(actual, 10000U);
  EXPECT_EQ(actual, arena::usable_size(ptr));
  EXPECT_FALSE(arena::try_resize(ptr, size_t{1} << 40));
}

// --- Objects ---

struct alignas(128) Noisy {
  explicit Noisy(int* count) : count(count) { ++*count; }
  ~Noisy() { --*count; }
  int* count;
};

TEST(CppArenaTest, ObjectsAreBuiltAlignedAndDestroyed) {
  arena arena;
  int count = 0;
  auto* noisy = arena.new_object<Noisy>(&count);
  EXPECT_EQ(Address(noisy) % 128, 0U);
  EXPECT_EQ(count, 1);
  arena::delete_object(noisy);
  arena::delete_object<Noisy>(nullptr);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppArenaTest, ConstObjectsComeAndGo) {
  arena arena;
  const int* number = arena.new_object<const int>(7);
  EXPECT_EQ(*number, 7);
  arena::delete_object(number);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppArenaTest, AnObjectWhoseConstructorThrowsLeavesNothing) {
  struct Thrower {
    Thrower() { throw std::runtime_error("no"); }
  };
  arena arena;
  EXPECT_THROW((void)arena.new_object<Thrower>(), std::runtime_error);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppArenaTest, AnObjectBeyondTheLimitIsBadAlloc) {
  struct Large {
    char bytes[2 << 20];
  };
  arena arena("small", 1 << 20);
  EXPECT_THROW((void)arena.new_object<Large>(), std::bad_alloc);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
}

// --- Lives ---

TEST(CppArenaTest, ResetDropsAllBlocks) {
  arena arena;
  for (int i = 0; i < 10; ++i) ASSERT_NE(arena.allocate(50), nullptr);
  EXPECT_EQ(arena.stats().live_blocks, 10U);
  EXPECT_EQ(arena.reset(), MYONLY_OK);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
  EXPECT_NE(arena.allocate(50), nullptr);
}

TEST(CppArenaTest, DestructorDestroys) {
  arena_ref handle;
  {
    arena arena;
    handle = arena;
    ASSERT_NE(arena.allocate(50), nullptr);
  }
  EXPECT_EQ(handle.reset(), MYONLY_ERR_STALE);
  EXPECT_EQ(handle.allocate(1), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  EXPECT_EQ(handle.check(), MYONLY_ERR_STALE);
  EXPECT_EQ(handle.charged(), 0U);
}

TEST(CppArenaTest, DestroyAnswersAndLeavesTheArenaIfItFails) {
  arena arena;
  void* ptr = arena.allocate(50);
  EXPECT_EQ(arena.destroy(MYONLY_DESTROY_REQUIRE_EMPTY), MYONLY_ERR_BUSY);
  EXPECT_TRUE(arena);
  EXPECT_EQ(arena.status(), MYONLY_OK);
  arena::deallocate(ptr);
  EXPECT_EQ(arena.destroy(MYONLY_DESTROY_REQUIRE_EMPTY), MYONLY_OK);
  EXPECT_FALSE(arena);
  EXPECT_EQ(arena.destroy(), MYONLY_ERR_INVALID);
}

TEST(CppArenaTest, MoveTakesTheArenaAlong) {
  arena first("first");
  ASSERT_NE(first.allocate(50), nullptr);
  const arena_ref handle = first;
  arena second(std::move(first));
  EXPECT_EQ(second, handle);
  EXPECT_EQ(second.stats().live_blocks, 1U);
  EXPECT_EQ(second.status(), MYONLY_OK);
}

TEST(CppArenaTest, MovedFromArenaFailsAndHarmsNothing) {
  arena first("first");
  const arena second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what it is about
  EXPECT_EQ(first.status(), MYONLY_ERR_INVALID);
  EXPECT_EQ(first.allocate(10), nullptr);
  EXPECT_EQ(first.allocate_at_least(10).ptr, nullptr);
  EXPECT_NE(first.reset(), MYONLY_OK);
  EXPECT_NE(first.destroy(), MYONLY_OK);
  EXPECT_NE(first.set_limit(1), MYONLY_OK);
  EXPECT_NE(first.purge(), MYONLY_OK);
  // Of these NULL would be the process heap, if it came as far as C.
  EXPECT_NE(first.check(), MYONLY_OK);
  EXPECT_NE(first.find_damage().status, MYONLY_OK);
  EXPECT_EQ(first.stats().allocations, 0U);
  EXPECT_EQ(first.peek().allocations, 0U);
  EXPECT_NE(first.walk([](const block_info&) { FAIL(); }), MYONLY_OK);
  EXPECT_FALSE(first.owns(first.get()));
}

TEST(CppArenaTest, MoveAssignmentDestroysTheOldArena) {
  arena first("first");
  arena second("second");
  const arena_ref old = second;
  const arena_ref kept = first;
  second = std::move(first);
  EXPECT_EQ(second, kept);
  EXPECT_EQ(old.reset(), MYONLY_ERR_STALE);
  EXPECT_EQ(second.reset(), MYONLY_OK);
}

TEST(CppArenaTest, SwapChangesOwners) {
  arena first("first");
  arena second("second");
  const arena_ref handle = first;
  swap(first, second);
  EXPECT_EQ(second, handle);
  EXPECT_STREQ(first.stats().name, "second");
}

TEST(CppArenaTest, ReleaseGivesTheArenaAway) {
  arena arena;
  myonly_arena* handle = arena.release();
  EXPECT_FALSE(arena);
  EXPECT_EQ(myonly_arena_destroy(handle, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(CppArenaTest, AdoptTakesWhatReleaseGave) {
  arena_ref handle;
  {
    arena first("first");
    const arena adopted = arena::adopt(first.release());
    handle = adopted;
    EXPECT_TRUE(adopted);
    EXPECT_EQ(adopted.status(), MYONLY_OK);
    EXPECT_STREQ(adopted.stats().name, "first");
  }
  EXPECT_EQ(handle.reset(), MYONLY_ERR_STALE);
  const arena none = arena::adopt(nullptr);
  EXPECT_FALSE(none);
  EXPECT_EQ(none.status(), MYONLY_ERR_INVALID);
}

TEST(CppArenaTest, FailedCreationSaysWhy) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.version = 1;  // no such version
  const arena unknown(options);
  EXPECT_FALSE(unknown);
  EXPECT_EQ(unknown.status(), MYONLY_ERR_UNSUPPORTED);
  arena_options exact;
  arena parent("pages");
  exact.parent = parent;
  exact.exact_bytes = true;  // below one that counts pages
  EXPECT_EQ(arena(exact).status(), MYONLY_ERR_UNSUPPORTED);
}

TEST(CppArenaTest, LimitIsKept) {
  arena arena("small", 1 << 20);
  ASSERT_TRUE(arena);
  EXPECT_EQ(arena.allocate(2 << 20), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
}

}  // namespace
}  // namespace myonly
