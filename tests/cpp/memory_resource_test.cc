#include "capi/cpp/memory_resource.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory_resource>
#include <new>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

static_assert(
    std::is_base_of_v<std::pmr::memory_resource, class memory_resource>);
static_assert(!std::is_default_constructible_v<class memory_resource>);

constexpr const char kLong[] = "longer than what a string has room for itself";

TEST(CppMemoryResourceTest, ContainersAndTheirElementsLiveInTheArena) {
  arena arena;
  {
    memory_resource resource(arena);
    std::pmr::vector<std::pmr::string> lines(&resource);
    lines.emplace_back(100, 'x');
    EXPECT_TRUE(arena.owns(lines.data()));
    EXPECT_TRUE(arena.owns(lines[0].data()));
    EXPECT_EQ(arena.stats().live_blocks, 2U);
    std::pmr::map<int, std::pmr::string> map(&resource);
    std::pmr::unordered_map<std::pmr::string, int> hash_map(&resource);
    for (int i = 0; i < 100; ++i) {
      map.emplace(i, kLong);
      hash_map.emplace(kLong + std::to_string(i), i);
    }
    EXPECT_TRUE(arena.owns(map.at(7).data()));
    EXPECT_TRUE(arena.owns(hash_map.begin()->first.data()));
  }
  EXPECT_EQ(arena.stats().live_blocks, 0U);
  EXPECT_EQ(arena.check(), MYONLY_OK);
}

TEST(CppMemoryResourceTest, EveryAlignmentIsKept) {
  arena arena;
  memory_resource resource(arena);
  for (size_t alignment = 1; alignment <= 8192; alignment *= 2) {
    for (std::pmr::memory_resource* each :
         {static_cast<std::pmr::memory_resource*>(&resource),
          process_heap_resource()}) {
      void* ptr = each->allocate(33, alignment);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(ptr) % alignment, 0U);
      each->deallocate(ptr, 33, alignment);
    }
  }
}

TEST(CppMemoryResourceTest, EqualMeansTheSameArena) {
  arena first("first");
  arena second("second");
  memory_resource one(first);
  memory_resource other(arena_ref(first.get()));
  memory_resource another(second);
  EXPECT_TRUE(one == other);
  EXPECT_TRUE(one.is_equal(other) && other.is_equal(one));
  EXPECT_FALSE(one.is_equal(another));
  EXPECT_FALSE(one == *process_heap_resource());
  EXPECT_FALSE(*process_heap_resource() == one);
  EXPECT_FALSE(one == *std::pmr::new_delete_resource());
  EXPECT_TRUE(*process_heap_resource() == *process_heap_resource());
}

TEST(CppMemoryResourceTest, EqualResourcesFreeForEachOther) {
  arena arena;
  memory_resource one(arena);
  memory_resource other(arena);
  void* ptr = one.allocate(100);
  other.deallocate(ptr, 100);
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppMemoryResourceTest, MovesBetweenArenasMoveTheElements) {
  arena first("first");
  arena second("second");
  {
    memory_resource in_first(first);
    memory_resource in_second(second);
    std::pmr::vector<std::pmr::string> source(10, kLong, &in_first);
    std::pmr::vector<std::pmr::string> target(&in_second);
    const void* data = source.data();
    target = std::move(source);  // polymorphic_allocator never propagates
    EXPECT_NE(target.data(), data);
    EXPECT_TRUE(second.owns(target.data()));
    EXPECT_TRUE(second.owns(target[9].data()));
    EXPECT_EQ(target, std::pmr::vector<std::pmr::string>(10, kLong));
    // Another resource over the same arena is as good as the same one.
    memory_resource also_in_second(second);
    std::pmr::vector<std::pmr::string> third(&also_in_second);
    data = target.data();
    third = std::move(target);
    EXPECT_EQ(third.data(), data);
  }
  EXPECT_EQ(first.stats().live_blocks, 0U);
  EXPECT_EQ(second.stats().live_blocks, 0U);
}

TEST(CppMemoryResourceTest, ACopyIsWhereItIsSent) {
  arena first("first");
  arena second("second");
  memory_resource in_first(first);
  memory_resource in_second(second);
  const std::pmr::vector<std::pmr::string> source(10, kLong, &in_first);
  const std::pmr::vector<std::pmr::string> copy(source, &in_second);
  EXPECT_TRUE(second.owns(copy[5].data()));
  // Without a word about it, copies go to the default resource.
  const std::pmr::vector<std::pmr::string> lost(source);
  EXPECT_FALSE(first.owns(lost.data()));
}

TEST(CppMemoryResourceTest, UpstreamOfStandardResources) {
  arena arena;
  {
    memory_resource resource(arena);
    std::pmr::monotonic_buffer_resource buffer(&resource);
    std::pmr::unsynchronized_pool_resource pool(&resource);
    std::pmr::vector<int> numbers(1000, 1, &buffer);
    std::pmr::map<int, int> map(&pool);
    for (int i = 0; i < 1000; ++i) map[i] = i;
    EXPECT_TRUE(arena.owns(numbers.data()));
    EXPECT_TRUE(arena.owns(&*map.begin()));
  }
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppMemoryResourceTest, LimitThrows) {
  arena arena("small", 1 << 20);
  memory_resource resource(arena);
  EXPECT_THROW((void)resource.allocate(2 << 20), std::bad_alloc);
  std::pmr::vector<int> numbers(&resource);
  EXPECT_THROW(for (;;) numbers.insert(numbers.end(), 1000, 7), std::bad_alloc);
  EXPECT_GT(numbers.size(), 10000U);
  EXPECT_EQ(numbers.back(), 7);
}

TEST(CppMemoryResourceTest, ProcessHeapServesFromTheProcessHeap) {
  std::pmr::vector<int> numbers(1000, 7, process_heap_resource());
  EXPECT_FALSE(arena_ref::of(numbers.data()));
  myonly_arena* owner = nullptr;
  EXPECT_EQ(myonly_arena_of(numbers.data(), &owner), MYONLY_OK);
}

}  // namespace
}  // namespace myonly
