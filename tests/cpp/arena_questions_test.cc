// Walks, checks and queries by address.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <vector>

#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

TEST(CppArenaQuestionsTest, WalkShowsEachLiveBlockOnce) {
  arena arena;
  std::set<void*> blocks;
  for (size_t size = 1; size < 1000000; size = size * 3 + 1) {
    blocks.insert(arena.allocate(size));
  }
  arena::deallocate(arena.allocate(77));
  std::set<void*> seen;
  const myonly_status status = arena.walk([&](const block_info& block) {
    EXPECT_TRUE(seen.insert(block.start).second);
    EXPECT_EQ(block.state, MYONLY_BLOCK_LIVE);
    EXPECT_EQ(block.arena, arena.get());
    EXPECT_EQ(block.size, arena::usable_size(block.start));
  });
  if (status == MYONLY_ERR_UNSUPPORTED) GTEST_SKIP() << "preset fast";
  EXPECT_EQ(status, MYONLY_OK);
  EXPECT_EQ(seen, blocks);
}

TEST(CppArenaQuestionsTest, FalseEndsAWalk) {
  arena arena;
  for (int i = 0; i < 20; ++i) ASSERT_NE(arena.allocate(50), nullptr);
  int seen = 0;
  const myonly_status status =
      arena.walk([&seen](const block_info&) { return ++seen < 5; });
  if (status == MYONLY_ERR_UNSUPPORTED) GTEST_SKIP() << "preset fast";
  EXPECT_EQ(status, MYONLY_OK);
  EXPECT_EQ(seen, 5);
}

TEST(CppArenaQuestionsTest, AnExceptionEndsAWalkAndComesOut) {
  arena arena;
  for (int i = 0; i < 20; ++i) ASSERT_NE(arena.allocate(50), nullptr);
  int seen = 0;
  const auto visit = [&seen](const block_info&) {
    if (++seen == 3) throw std::runtime_error("enough");
  };
  if (arena.walk([](const block_info&) { return false; }) ==
      MYONLY_ERR_UNSUPPORTED) {
    GTEST_SKIP() << "preset fast";
  }
  EXPECT_THROW(arena.walk(visit), std::runtime_error);
  EXPECT_EQ(seen, 3);
  EXPECT_EQ(arena.check(), MYONLY_OK);
}

TEST(CppArenaQuestionsTest, AWalkLeavesSmallBlocksOutAndMayFree) {
  arena arena;
  ASSERT_NE(arena.allocate(50), nullptr);
  ASSERT_NE(arena.allocate(5000), nullptr);
  ASSERT_NE(arena.allocate(500000), nullptr);
  const myonly_status status = arena.walk(
      [](const block_info& block) { arena::deallocate(block.start); }, 1000);
  if (status == MYONLY_ERR_UNSUPPORTED) GTEST_SKIP() << "preset fast";
  EXPECT_EQ(arena.stats().live_blocks, 1U);
}

TEST(CppArenaQuestionsTest, AStaleArenaCannotBeWalked) {
  arena_ref handle;
  {
    arena arena;
    handle = arena;
  }
  const myonly_status status = handle.walk([](const block_info&) { FAIL(); });
  if (status == MYONLY_ERR_UNSUPPORTED) GTEST_SKIP() << "preset fast";
  EXPECT_EQ(status, MYONLY_ERR_STALE);
}

TEST(CppArenaQuestionsTest, AWholeArenaHasNoDamage) {
  arena arena;
  ASSERT_NE(arena.allocate(50), nullptr);
  const check_result result = arena.find_damage();
  EXPECT_EQ(result.status, MYONLY_OK);
  EXPECT_EQ(result.what, nullptr);
  EXPECT_EQ(result.where, nullptr);
}

TEST(CppArenaQuestionsTest, DamageIsNamedWithItsPlace) {
  arena arena;
  auto* bytes = static_cast<unsigned char*>(arena.allocate(5000));
  auto* behind = static_cast<unsigned char*>(arena.allocate(5000));
  ASSERT_NE(bytes, nullptr);
  ASSERT_NE(behind, nullptr);
  // The header of the higher block lies before it.
  unsigned char* header = (bytes < behind ? behind : bytes) - 8;
  const std::vector<unsigned char> saved(header, header + 8);
  for (int i = 0; i < 8; ++i) header[i] = 0xff;
  const check_result result = arena.find_damage();
  std::copy(saved.begin(), saved.end(), header);
  EXPECT_EQ(result.status, MYONLY_ERR_CORRUPT);
  EXPECT_NE(result.what, nullptr);
  EXPECT_NE(result.where, nullptr);
  EXPECT_EQ(arena.check(), MYONLY_OK);
}

TEST(CppArenaQuestionsTest, AddressesLeadToArenasAndBlocks) {
  arena arena;
  auto* bytes = static_cast<char*>(arena.allocate(1000));
  ASSERT_NE(bytes, nullptr);
  EXPECT_EQ(arena_ref::of(bytes + 500), arena);
  const auto block = block_of(bytes + 500);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->start, bytes);
  EXPECT_EQ(block->arena, arena.get());
  EXPECT_EQ(block->state, MYONLY_BLOCK_LIVE);
  EXPECT_FALSE(block_of(&block).has_value());
  EXPECT_FALSE(arena_ref::of(&block));
  EXPECT_FALSE(arena.owns(&block));
}

TEST(CppArenaQuestionsTest, PeekIsNotFarFromStats) {
  arena arena("peeked");
  ASSERT_NE(arena.allocate(1000), nullptr);
  EXPECT_STREQ(arena.peek().name, "peeked");
  EXPECT_EQ(arena.peek().live_blocks, arena.stats().live_blocks);
}

TEST(CppArenaQuestionsTest, TheProcessHeapAnswersToo) {
  void* ptr = myonly_alloc(123456);
  EXPECT_GE(process_heap::stats().live_bytes, 123456U);
  EXPECT_EQ(process_heap::check(), MYONLY_OK);
  bool seen = false;
  const myonly_status status = process_heap::walk(
      [&](const block_info& block) { seen = seen || block.start == ptr; },
      100000);
  myonly_free(ptr);
  process_heap::purge();
  if (status == MYONLY_ERR_UNSUPPORTED) GTEST_SKIP() << "preset fast";
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace myonly
