#include "capi/cpp/allocator.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

template <typename T>
using arena_vector = std::vector<T, arena_allocator<T>>;

struct alignas(64) Line {
  int value;
};
struct alignas(4096) Page {
  char bytes[4096];
};

using Traits = std::allocator_traits<allocator<int>>;
using ArenaTraits = std::allocator_traits<arena_allocator<int>>;

static_assert(std::is_empty_v<allocator<int>>);
static_assert(std::is_trivially_copyable_v<arena_allocator<int>>);
static_assert(!std::is_default_constructible_v<arena_allocator<int>>);
static_assert(!std::is_convertible_v<arena_ref, arena_allocator<int>>);
static_assert(sizeof(std::vector<int, allocator<int>>) ==
              sizeof(std::vector<int>));
static_assert(std::is_same_v<Traits::rebind_alloc<char>, allocator<char>>);
static_assert(
    std::is_same_v<ArenaTraits::rebind_alloc<char>, arena_allocator<char>>);
static_assert(std::is_same_v<ArenaTraits::pointer, int*>);
static_assert(std::is_same_v<ArenaTraits::size_type, size_t>);

// Propagation.
static_assert(Traits::is_always_equal::value);
static_assert(Traits::propagate_on_container_move_assignment::value);
static_assert(!ArenaTraits::is_always_equal::value);
static_assert(ArenaTraits::propagate_on_container_move_assignment::value);
static_assert(ArenaTraits::propagate_on_container_swap::value);
static_assert(!ArenaTraits::propagate_on_container_copy_assignment::value);
// What follows from it: neither can fail.
static_assert(std::is_nothrow_move_assignable_v<arena_vector<int>>);
static_assert(std::is_nothrow_swappable_v<arena_vector<int>>);

TEST(CppAllocatorTest, ServesContainersFromTheProcessHeap) {
  std::vector<int, allocator<int>> numbers;
  for (int i = 0; i < 10000; ++i) numbers.push_back(i);
  EXPECT_EQ(numbers[9999], 9999);
  myonly_arena* owner = nullptr;
  EXPECT_EQ(myonly_arena_of(numbers.data(), &owner), MYONLY_OK);
  EXPECT_EQ(owner, nullptr);
  std::map<int, int, std::less<int>, allocator<std::pair<const int, int>>> map;
  for (int i = 0; i < 100; ++i) map[i] = i;
  EXPECT_EQ(map.size(), 100U);
}

TEST(CppAllocatorTest, AllAreEqual) {
  EXPECT_TRUE(allocator<int>() == allocator<char>());
  EXPECT_FALSE(allocator<int>() != allocator<char>());
}

TEST(CppAllocatorTest, ArenaAllocatorsAreEqualIfTheirArenaIs) {
  arena first("first");
  arena second("second");
  EXPECT_TRUE(arena_allocator<int>(first) == arena_allocator<char>(first));
  EXPECT_TRUE(arena_allocator<int>(first) == arena_allocator<int>(first.get()));
  EXPECT_TRUE(arena_allocator<int>(first) != arena_allocator<int>(second));
  const arena_allocator<char> rebound = arena_allocator<int>(first);
  EXPECT_EQ(rebound.arena(), first.get());
  // Equal ones free for each other.
  int* number = arena_allocator<int>(first).allocate(10);
  arena_allocator<int>(rebound).deallocate(number, 10);
  EXPECT_EQ(first.stats().live_blocks, 0U);
}

TEST(CppAllocatorTest, OveralignedTypesAreAligned) {
  arena arena;
  for (int i = 1; i < 10; ++i) {
    const auto count = static_cast<size_t>(i);
    std::vector<Line, allocator<Line>> heap(count);
    arena_vector<Line> lines(count, arena_allocator<Line>(arena));
    arena_vector<Page> pages(count, arena_allocator<Page>(arena));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(heap.data()) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(lines.data()) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pages.data()) % 4096, 0U);
  }
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppAllocatorTest, AtLeastGivesAllThatThereIs) {
  arena arena;
  const allocation_result<int*> got =
      arena_allocator<int>(arena).allocate_at_least(1001);
  EXPECT_GE(got.count, 1001U);
  EXPECT_EQ(got.count, arena::usable_size(got.ptr) / sizeof(int));
  for (size_t i = 0; i < got.count; ++i) got.ptr[i] = 1;
  arena_allocator<int>(arena).deallocate(got.ptr, got.count);
  EXPECT_EQ(arena.check(), MYONLY_OK);
  const auto lines = allocator<Line>().allocate_at_least(3);
  EXPECT_GE(lines.count, 3U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(lines.ptr) % 64, 0U);
  allocator<Line>().deallocate(lines.ptr, lines.count);
}

TEST(CppAllocatorTest, TooLargeCountsThrow) {
  arena arena;
  // Not a constant, or the compiler warns of the size.
  volatile size_t half = SIZE_MAX / sizeof(int) / 2 + 2;
  volatile size_t wraps = SIZE_MAX / sizeof(int) + 2;
  for (const size_t count : {size_t{half}, size_t{wraps}}) {
    EXPECT_THROW((void)allocator<int>().allocate(count), std::bad_alloc);
    EXPECT_THROW((void)allocator<int>().allocate_at_least(count),
                 std::bad_alloc);
    EXPECT_THROW((void)arena_allocator<int>(arena).allocate(count),
                 std::bad_alloc);
    EXPECT_THROW((void)arena_allocator<int>(arena).allocate_at_least(count),
                 std::bad_alloc);
  }
}

// As std::allocator: what is no size at all is told apart.
TEST(CppAllocatorTest, ACountWhoseBytesOverflowIsABadLength) {
  arena arena;
  volatile size_t wraps = SIZE_MAX / sizeof(int) + 1;
  const size_t count = wraps;
  EXPECT_THROW((void)allocator<int>().allocate(count),
               std::bad_array_new_length);
  EXPECT_THROW((void)allocator<int>().allocate_at_least(count),
               std::bad_array_new_length);
  EXPECT_THROW((void)arena_allocator<int>(arena).allocate(count),
               std::bad_array_new_length);
  EXPECT_THROW((void)arena_allocator<int>(arena).allocate_at_least(count),
               std::bad_array_new_length);
  volatile size_t large = count - 1;
  try {
    (void)arena_allocator<int>(arena).allocate(large);
    FAIL();
  } catch (const std::bad_array_new_length&) {
    FAIL() << "its bytes are a size_t";
  } catch (const std::bad_alloc&) {
  }
}

TEST(CppAllocatorTest, TheLimitAndAStaleArenaThrow) {
  arena arena("small", 1 << 20);
  const arena_allocator<char> allocator(arena);
  EXPECT_THROW(arena_vector<char>(2 << 20, allocator), std::bad_alloc);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
  EXPECT_EQ(arena.destroy(), MYONLY_OK);
  EXPECT_THROW(arena_vector<char>(10, allocator), std::bad_alloc);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
}

TEST(CppAllocatorTest, SharedPointersLiveInTheArena) {
  arena arena;
  std::weak_ptr<Line> weak;
  {
    const auto shared =
        std::allocate_shared<Line>(arena_allocator<Line>(arena), Line{7});
    weak = shared;
    EXPECT_TRUE(arena.owns(shared.get()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(shared.get()) % 64, 0U);
    EXPECT_EQ(arena.stats().live_blocks, 1U);
  }
  weak.reset();
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

}  // namespace
}  // namespace myonly
