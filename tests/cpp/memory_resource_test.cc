#include "capi/cpp/memory_resource.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

myonly_arena* ArenaOf(const void* ptr) {
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_of(ptr, &arena), MYONLY_OK);
  return arena;
}

TEST(CppMemoryResourceTest, ContainersAndTheirElementsLiveInTheArena) {
  Arena arena("test");
  {
    ArenaResource resource(arena);
    std::pmr::vector<std::pmr::string> lines(&resource);
    lines.emplace_back(100, 'x');
    EXPECT_EQ(ArenaOf(lines.data()), arena.get());
    EXPECT_EQ(ArenaOf(lines[0].data()), arena.get());
    EXPECT_EQ(arena.Stats().live_blocks, 2U);
  }
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
  EXPECT_EQ(arena.Check(), MYONLY_OK);
}

TEST(CppMemoryResourceTest, EveryAlignmentIsKept) {
  Arena arena("test");
  ArenaResource resource(arena);
  for (size_t alignment = 1; alignment <= 8192; alignment *= 2) {
    for (std::pmr::memory_resource* each :
         {static_cast<std::pmr::memory_resource*>(&resource),
          ProcessHeapResource()}) {
      void* ptr = each->allocate(33, alignment);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(ptr) % alignment, 0U);
      each->deallocate(ptr, 33, alignment);
    }
  }
}

TEST(CppMemoryResourceTest, EqualMeansTheSameArena) {
  Arena first("first");
  Arena second("second");
  ArenaResource one(first);
  ArenaResource other(first);
  ArenaResource another(second);
  EXPECT_TRUE(one == other);
  EXPECT_FALSE(one == another);
  EXPECT_FALSE(one == *ProcessHeapResource());
  EXPECT_FALSE(*ProcessHeapResource() == one);
  EXPECT_FALSE(one == *std::pmr::new_delete_resource());
  EXPECT_TRUE(*ProcessHeapResource() == *ProcessHeapResource());
}

TEST(CppMemoryResourceTest, EqualResourcesFreeForEachOther) {
  Arena arena("test");
  ArenaResource one(arena);
  ArenaResource other(arena);
  void* ptr = one.allocate(100);
  other.deallocate(ptr, 100);
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
}

TEST(CppMemoryResourceTest, LimitThrows) {
  Arena arena("small", 1 << 20);
  ArenaResource resource(arena);
  EXPECT_THROW((void)resource.allocate(2 << 20), std::bad_alloc);
}

TEST(CppMemoryResourceTest, ProcessHeapServesFromTheProcessHeap) {
  std::pmr::vector<int> numbers(1000, 7, ProcessHeapResource());
  EXPECT_EQ(ArenaOf(numbers.data()), nullptr);
}

}  // namespace
}  // namespace myonly
