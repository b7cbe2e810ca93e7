// The names that the adaptors had at first: what was written with them compiles
// and does the same.
#include <gtest/gtest.h>

#include <memory_resource>
#include <type_traits>
#include <utility>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "capi/cpp/memory_resource.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

static_assert(std::is_same_v<Arena, arena>);
static_assert(std::is_same_v<Allocator<int>, allocator<int>>);
static_assert(std::is_same_v<ArenaAllocator<int>, arena_allocator<int>>);
static_assert(std::is_same_v<ArenaResource, memory_resource>);

TEST(CppFormerNamesTest, MembersOfArenaAreStillThere) {
  Arena arena("test", 1 << 20);
  void* ptr = arena.Allocate(100);
  void* aligned = arena.AllocateAligned(4096, 10);
  ASSERT_NE(ptr, nullptr);
  ASSERT_NE(aligned, nullptr);
  Arena::Free(ptr);
  EXPECT_EQ(arena.Stats().live_blocks, 1U);
  EXPECT_EQ(arena.Check(), MYONLY_OK);
  EXPECT_EQ(arena.Reset(), MYONLY_OK);
  EXPECT_EQ(arena.Stats().live_blocks, 0U);
}

TEST(CppFormerNamesTest, AllocatorsAndResourcesTakeArenasAndHandles) {
  Arena arena("test");
  std::vector<int, ArenaAllocator<int>> numbers(
      10, 1, ArenaAllocator<int>(arena.get()));
  std::vector<int, Allocator<int>> others(10, 2);
  ArenaResource resource(arena.get());
  std::pmr::vector<int> third(10, 3, &resource);
  std::pmr::vector<int> fourth(10, 4, ProcessHeapResource());
  EXPECT_EQ(numbers.get_allocator().arena(), arena.get());
  EXPECT_EQ(resource.arena(), arena.get());
  EXPECT_EQ(arena.Stats().live_blocks, 2U);
}

}  // namespace
}  // namespace myonly
