// Sections that must not allocate, and requests that fail on purpose.
#include "capi/cpp/testing.h"

#include <gtest/gtest.h>

#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

TEST(CppTestingTest, NothingIsAllocatedInASection) {
  arena arena;
  std::vector<int, arena_allocator<int>> numbers{arena_allocator<int>(arena)};
  numbers.reserve(10);
  {
    const no_allocation section;
    ASSERT_EQ(section.status(), MYONLY_OK);
    for (int i = 0; i < 10; ++i) numbers.push_back(i);
    EXPECT_EQ(arena.allocate(1), nullptr);
    {
      const no_allocation inner;
      EXPECT_EQ(arena.allocate(1), nullptr);
    }
    EXPECT_EQ(arena.allocate(1), nullptr);
    bool refused = false;
    try {
      numbers.push_back(11);
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  }
  EXPECT_EQ(numbers.size(), 10U);
  EXPECT_NE(arena.allocate(1), nullptr);
}

TEST(CppTestingTest, OtherThreadsAreNotInTheSection) {
  arena arena;
  void* ptr = nullptr;
  // A thread takes memory itself, so it begins before the section does.
  std::thread other([&] {
    const no_allocation section;
    EXPECT_EQ(arena.allocate(1), nullptr);
  });
  ptr = arena.allocate(1);
  other.join();
  EXPECT_NE(ptr, nullptr);
}

TEST(CppTestingDeathTest, ASectionMayAbort) {
  arena arena;
  EXPECT_DEATH(
      {
        const no_allocation section(no_allocation::abort);
        (void)arena.allocate(1);
      },
      "");
}

TEST(CppTestingTest, TheNthRequestOfTheThreadFails) {
  arena arena;
  fault_options options;
  options.fail_nth = 3;
  failing_requests section(options);
  ASSERT_EQ(section.status(), MYONLY_OK);
  void* first = arena.allocate(1);
  void* second = myonly_alloc(1);
  void* third = arena.allocate(1);
  void* fourth = arena.allocate(1);
  EXPECT_EQ(section.end(), 1U);
  EXPECT_EQ(section.end(), 1U);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(third, nullptr);
  EXPECT_NE(fourth, nullptr);
  myonly_free(second);
}

TEST(CppTestingTest, RequestsToOneArenaFail) {
  arena arena;
  class arena other;
  fault_options options;
  options.probability = 1;
  options.above_bytes = 100;
  options.count = 2;
  {
    failing_requests section(arena, options);
    ASSERT_EQ(section.status(), MYONLY_OK);
    EXPECT_EQ(failing_requests(arena, options).status(), MYONLY_ERR_BUSY);
    EXPECT_NE(other.allocate(101), nullptr);
    EXPECT_NE(arena.allocate(100), nullptr);
    EXPECT_EQ(arena.allocate(101), nullptr);
    EXPECT_THROW((void)arena_allocator<int>(arena).allocate(101),
                 std::bad_alloc);
    EXPECT_NE(arena.allocate(101), nullptr);
  }
  EXPECT_NE(arena.allocate(101), nullptr);
}

TEST(CppTestingTest, AnArenaThatIsNotThereIsNotTheThread) {
  arena gone;
  const arena kept(std::move(gone));
  fault_options options;
  options.probability = 1;
  const failing_requests section(gone, options);  // NOLINT: moved from
  EXPECT_EQ(section.status(), MYONLY_ERR_INVALID);
  EXPECT_NE(kept.allocate(1), nullptr);
}

}  // namespace
}  // namespace myonly
