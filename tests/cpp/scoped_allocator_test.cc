// Containers of containers: std::scoped_allocator_adaptor hands the arena on.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <scoped_allocator>
#include <string>
#include <utility>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

template <typename T>
using scoped = std::scoped_allocator_adaptor<arena_allocator<T>>;
using String =
    std::basic_string<char, std::char_traits<char>, arena_allocator<char>>;
using Lines = std::vector<String, scoped<String>>;
using Pages = std::map<String, Lines, std::less<String>,
                       scoped<std::pair<const String, Lines>>>;

constexpr const char kLong[] = "longer than what a string has room for itself";

scoped<String> In(const arena& arena) {
  return scoped<String>(arena_allocator<String>(arena));
}

TEST(CppScopedAllocatorTest, ElementsAreInTheArenaOfTheirContainer) {
  arena arena;
  {
    Lines lines(In(arena));
    lines.emplace_back(kLong);
    lines.resize(3);
    lines.back() = kLong;
    for (const String& line : lines) {
      EXPECT_EQ(line.get_allocator().arena(), arena.get());
    }
    EXPECT_TRUE(arena.owns(lines.front().data()));
  }
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppScopedAllocatorTest, ThroughEveryLevel) {
  arena arena;
  {
    Pages pages{Pages::allocator_type(arena_allocator<String>(arena))};
    pages[String(kLong, arena_allocator<char>(arena))].emplace_back(kLong);
    pages.try_emplace(String("short", arena_allocator<char>(arena)));
    for (const auto& [name, lines] : pages) {
      EXPECT_EQ(name.get_allocator().arena(), arena.get());
      EXPECT_EQ(lines.get_allocator().arena(), arena.get());
      for (const String& line : lines) EXPECT_TRUE(arena.owns(line.data()));
    }
  }
  EXPECT_EQ(arena.stats().live_blocks, 0U);
}

TEST(CppScopedAllocatorTest, ACopyInAnotherArenaIsThereWithAllItsElements) {
  arena first;
  class arena second;
  {
    Lines lines(In(first));
    for (int i = 0; i < 10; ++i) lines.emplace_back(kLong);
    const Lines copy(lines, In(second));
    const Lines moved(std::move(lines), In(second));
    EXPECT_EQ(copy, moved);
    for (const String& line : copy) EXPECT_TRUE(second.owns(line.data()));
    for (const String& line : moved) EXPECT_TRUE(second.owns(line.data()));
  }
  EXPECT_EQ(first.stats().live_blocks, 0U);
  EXPECT_EQ(second.stats().live_blocks, 0U);
}

TEST(CppScopedAllocatorTest, AnElementOfAnotherArenaComesOver) {
  arena first;
  class arena second;
  Lines lines(In(first));
  String stranger(kLong, arena_allocator<char>(second));
  lines.push_back(stranger);
  lines.push_back(std::move(stranger));
  for (const String& line : lines) EXPECT_TRUE(first.owns(line.data()));
}

}  // namespace
}  // namespace myonly
