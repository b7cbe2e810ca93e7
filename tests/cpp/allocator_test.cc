#include "capi/cpp/allocator.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

template <typename T>
using ArenaVector = std::vector<T, ArenaAllocator<T>>;

struct alignas(64) Line {
  int value;
};

static_assert(std::is_empty_v<Allocator<int>>);
static_assert(std::allocator_traits<Allocator<int>>::is_always_equal::value);
static_assert(!std::is_default_constructible_v<ArenaAllocator<int>>);
static_assert(sizeof(std::vector<int, Allocator<int>>) ==
              sizeof(std::vector<int>));

myonly_arena* ArenaOf(const void* ptr) {
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_of(ptr, &arena), MYONLY_OK);
  return arena;
}

TEST(CppAllocatorTest, ServesContainersFromTheProcessHeap) {
  std::vector<int, Allocator<int>> numbers;
  for (int i = 0; i < 10000; ++i) numbers.push_back(i);
  EXPECT_EQ(numbers[9999], 9999);
  EXPECT_EQ(ArenaOf(numbers.data()), nullptr);
  std::map<int, int, std::less<int>, Allocator<std::pair<const int, int>>> map;
  for (int i = 0; i < 100; ++i) map[i] = i;
  EXPECT_EQ(map.size(), 100U);
}

TEST(CppAllocatorTest, AllAreEqual) {
  EXPECT_TRUE(Allocator<int>() == Allocator<char>());
  EXPECT_FALSE(Allocator<int>() != Allocator<char>());
}

TEST(CppAllocatorTest, OveralignedTypesAreAligned) {
  Arena arena("test");
  for (int i = 0; i < 10; ++i) {
    std::vector<Line, Allocator<Line>> heap(3);
    ArenaVector<Line> lines(3, ArenaAllocator<Line>(arena));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(heap.data()) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(lines.data()) % 64, 0U);
  }
}

TEST(CppAllocatorTest, TooLargeCountsThrow) {
  Arena arena("test");
  // Not a constant, or the compiler warns of the size.
  volatile size_t half = SIZE_MAX / sizeof(int) / 2 + 2;
  EXPECT_THROW((void)Allocator<int>().allocate(half), std::bad_alloc);
  EXPECT_THROW((void)ArenaAllocator<int>(arena).allocate(half), std::bad_alloc);
  volatile size_t wraps = SIZE_MAX / sizeof(int) + 2;
  EXPECT_THROW((void)Allocator<int>().allocate(wraps), std::bad_alloc);
}

TEST(CppAllocatorTest, ArenaLimitThrows) {
  Arena arena("small", 1 << 20);
  EXPECT_THROW(ArenaVector<char>(2 << 20, ArenaAllocator<char>(arena)),
               std::bad_alloc);
}

TEST(CppAllocatorTest, ArenaContainersLiveInTheirArenaAndLeaveIt) {
  Arena arena("test");
  {
    ArenaVector<int> numbers(1000, ArenaAllocator<int>(arena));
    std::list<int, ArenaAllocator<int>> list(10, 7, ArenaAllocator<int>(arena));
    EXPECT_EQ(ArenaOf(numbers.data()), arena.get());
    EXPECT_EQ(ArenaOf(&list.front()), arena.get());
    EXPECT_EQ(arena.Stats().live_blocks, 11U);
  }
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
  EXPECT_EQ(arena.Check(), MYONLY_OK);
}

TEST(CppAllocatorTest, ArenaAllocatorsAreEqualIfTheirArenaIs) {
  Arena first("first");
  Arena second("second");
  EXPECT_TRUE(ArenaAllocator<int>(first) == ArenaAllocator<char>(first));
  EXPECT_TRUE(ArenaAllocator<int>(first) != ArenaAllocator<int>(second));
}

TEST(CppAllocatorTest, MoveAssignmentCarriesTheArenaAndMovesNoElement) {
  Arena first("first");
  Arena second("second");
  ArenaVector<int> source(1000, 1, ArenaAllocator<int>(first));
  ArenaVector<int> target(10, 2, ArenaAllocator<int>(second));
  const int* data = source.data();
  target = std::move(source);
  EXPECT_EQ(target.data(), data);
  EXPECT_EQ(target.get_allocator().arena(), first.get());
  EXPECT_EQ(second.Stats().live_blocks, 0U);
}

TEST(CppAllocatorTest, SwapCarriesTheArenas) {
  Arena first("first");
  Arena second("second");
  ArenaVector<int> left(10, 1, ArenaAllocator<int>(first));
  ArenaVector<int> right(10, 2, ArenaAllocator<int>(second));
  left.swap(right);
  EXPECT_EQ(left.get_allocator().arena(), second.get());
  EXPECT_EQ(ArenaOf(left.data()), second.get());
  EXPECT_EQ(ArenaOf(right.data()), first.get());
}

TEST(CppAllocatorTest, CopyAssignmentStaysInItsOwnArena) {
  Arena first("first");
  Arena second("second");
  const ArenaVector<int> source(1000, 1, ArenaAllocator<int>(first));
  ArenaVector<int> target{ArenaAllocator<int>(second)};
  target = source;
  EXPECT_EQ(target, source);
  EXPECT_EQ(ArenaOf(target.data()), second.get());
}

}  // namespace
}  // namespace myonly
