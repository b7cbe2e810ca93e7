// The adaptors in a program without exceptions and RTTI.
#include <gtest/gtest.h>

#include <memory_resource>
#include <string>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "capi/cpp/memory_resource.h"
#include "capi/cpp/testing.h"
#include "myonly/myonly.h"

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "compile this with -fno-exceptions -fno-rtti"
#endif

namespace myonly {
namespace {

TEST(CppNoExceptionsTest, EverythingWorks) {
  arena_options options;
  options.limit_bytes = 1 << 20;
  int told = 0;
  arena arena(options, [&told](arena_ref, pressure) { ++told; });
  ASSERT_TRUE(arena);
  memory_resource resource(arena);
  std::pmr::vector<std::pmr::string> lines(10, "text", &resource);
  std::vector<int, arena_allocator<int>> numbers(100, 7,
                                                 arena_allocator<int>(arena));
  std::vector<int, allocator<int>> others(100, 8);
  arena::delete_object(arena.new_object<int>(7));
  int blocks = 0;
  const auto status = arena.walk([&blocks](const block_info&) { ++blocks; });
  EXPECT_EQ(blocks, status == MYONLY_OK ? 2 : 0);
  EXPECT_EQ(arena.allocate(2 << 20), nullptr);
  EXPECT_EQ(told, 1);
  const no_allocation section;
  EXPECT_EQ(arena.allocate(1), nullptr);
}

TEST(CppNoExceptionsTest, WithoutRttiAResourceIsItsOwnEqualAlone) {
  arena arena;
  memory_resource one(arena);
  memory_resource other(arena);
  EXPECT_TRUE(one.is_equal(one));
  EXPECT_FALSE(one.is_equal(other));
}

TEST(CppNoExceptionsDeathTest, WhatWouldThrowAborts) {
  arena arena("small", 1 << 20);
  EXPECT_DEATH((void)arena_allocator<char>(arena).allocate(2 << 20), "");
}

}  // namespace
}  // namespace myonly
