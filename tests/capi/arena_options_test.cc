// Creating arenas: what the options may say, and what callers of other versions
// of the struct get.
#include <stdint.h>
#include <string.h>

#include <string>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr uint32_t kSize = sizeof(myonly_arena_options);

// A struct of a later version.
struct LongerOptions {
  myonly_arena_options known = MYONLY_ARENA_OPTIONS_INIT;
  uint64_t later[2] = {0, 0};

  LongerOptions() { known.struct_size = sizeof(LongerOptions); }
};

// The handle must be NULL after a failure, even if it was not before.
void ExpectRefused(const myonly_arena_options& options,
                   myonly_status expected) {
  int mark;
  auto* arena = reinterpret_cast<myonly_arena*>(&mark);
  EXPECT_EQ(myonly_arena_create(&options, &arena), expected);
  EXPECT_EQ(arena, nullptr);
  EXPECT_EQ(myonly_last_status(), expected);
}

void ExpectCreated(const myonly_arena_options* options) {
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(options, &arena), MYONLY_OK);
  ASSERT_NE(arena, nullptr);
  void* block = myonly_arena_alloc(arena, 100);
  EXPECT_NE(block, nullptr);
  myonly_free(block);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

std::string NameGivenBack(const char* name) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.name = name;
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_NE(memchr(stats.name, 0, sizeof(stats.name)), nullptr);
  return stats.name;
}

TEST(ArenaOptionsTest, NullMeansTheDefaults) {
  ExpectCreated(nullptr);
  const myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  ExpectCreated(&options);
}

TEST(ArenaOptionsTest, ThereMustBeAPlaceForTheHandle) {
  EXPECT_EQ(myonly_arena_create(nullptr, nullptr), MYONLY_ERR_INVALID);
}

TEST(ArenaOptionsTest, SizeMustHoldSizeAndVersion) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  for (uint32_t size : {0, 1, 4, 7}) {
    options.struct_size = size;
    ExpectRefused(options, MYONLY_ERR_INVALID);
  }
}

// Half a pointer would be read as a wild one.
TEST(ArenaOptionsTest, SizeMustNotCutAField) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.name = "name";
  for (uint32_t size : {12u, 20u, kSize - 1, kSize + 1, kSize + 4}) {
    options.struct_size = size;
    ExpectRefused(options, MYONLY_ERR_INVALID);
  }
}

TEST(ArenaOptionsTest, ShorterStructHasDefaultsForTheRest) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  // Beyond what the size covers: not looked at.
  options.flags = 1;
  options.parent = reinterpret_cast<myonly_arena*>(8);
  options.struct_size = offsetof(myonly_arena_options, flags);
  ExpectCreated(&options);
  options.struct_size = offsetof(myonly_arena_options, name);
  options.name = reinterpret_cast<const char*>(1);
  ExpectCreated(&options);
}

TEST(ArenaOptionsTest, LongerStructMayAskForNothingMore) {
  LongerOptions options;
  ExpectCreated(&options.known);
  options.later[1] = 1;
  ExpectRefused(options.known, MYONLY_ERR_UNSUPPORTED);
}

TEST(ArenaOptionsTest, WhatIsNotThereYetIsUnsupported) {
  const auto refused = [](auto set) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    set(options);
    ExpectRefused(options, MYONLY_ERR_UNSUPPORTED);
  };
  using Options = myonly_arena_options;
  refused([](Options& options) { options.version = 1; });
  refused([](Options& options) { options.flags = uint64_t{1} << 63; });
  refused([](Options& options) {
    static myonly_page_source newer = MYONLY_PAGE_SOURCE_INIT;
    newer.reserve = [](void*, size_t, size_t) -> void* { return nullptr; };
    newer.version = 1;
    options.pages = &newer;
  });
}

TEST(ArenaOptionsTest, OneFieldOfLimitsMayBeSetWithoutTheOthers) {
  const auto created = [](auto set) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    set(options);
    ExpectCreated(&options);
  };
  using Options = myonly_arena_options;
  created([](Options& options) { options.flags = MYONLY_ARENA_EXACT_BYTES; });
  created([](Options& options) { options.soft_limit_bytes = 1; });
  created([](Options& options) { options.reserve_bytes = 1; });
  created([](Options& options) {
    options.on_pressure = [](void*, myonly_arena*, int32_t) {};
  });
  created([](Options& options) { options.ctx = &options; });
}

TEST(ArenaOptionsTest, ParentsAndReservesMustBePossible) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.parent = reinterpret_cast<myonly_arena*>(8);
  ExpectRefused(options, MYONLY_ERR_INVALID);
  myonly_arena* gone = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &gone), MYONLY_OK);
  ASSERT_EQ(myonly_arena_destroy(gone, MYONLY_DESTROY_FREE), MYONLY_OK);
  options.parent = gone;
  ExpectRefused(options, MYONLY_ERR_STALE);
  options.parent = nullptr;
  options.limit_bytes = options.reserve_bytes = 1 << 20;
  ExpectRefused(options, MYONLY_ERR_INVALID);
}

TEST(ArenaOptionsTest, NamesAreCopiedAndCutAt31Bytes) {
  EXPECT_EQ(NameGivenBack(nullptr), "arena");
  EXPECT_EQ(NameGivenBack(""), "");
  EXPECT_EQ(NameGivenBack("requests"), "requests");
  const std::string longest(31, 'n');
  EXPECT_EQ(NameGivenBack(longest.c_str()), longest);
  EXPECT_EQ(NameGivenBack((longest + "x").c_str()), longest);
  EXPECT_EQ(NameGivenBack(std::string(5000, 'n').c_str()), longest);
}

TEST(ArenaOptionsTest, NameMayGoAfterTheCall) {
  char name[] = "short-lived";
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.name = name;
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  memset(name, 'x', sizeof(name) - 1);
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  ASSERT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  EXPECT_STREQ(stats.name, "short-lived");
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// A line stays one, whatever the program calls its arenas.
TEST(ArenaOptionsDeathTest, ANameDoesNotBreakItsLine) {
  if (!myonly::internal::kChecksObjects) GTEST_SKIP() << "fast does not check";
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.name = "two\nlines\x1b[31m";
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  void* block = myonly_arena_alloc(arena, 100);
  myonly_free(block);
  EXPECT_DEATH(myonly_free(block), "arena two.lines..31m");
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

}  // namespace
