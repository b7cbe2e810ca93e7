#include "allocator/guard/stack_depot.h"

#include <cstdint>
#include <set>
#include <vector>

#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

std::vector<void*> MakeStack(uintptr_t seed, size_t count) {
  std::vector<void*> frames;
  for (size_t i = 0; i < count; ++i) {
    frames.push_back(reinterpret_cast<void*>(seed * 1000 + i + 1));
  }
  return frames;
}

TEST(StackDepotTest, KeepsEachStackOnce) {
  MmapPageSource pages;
  StackDepot depot(pages);
  std::set<StackDepot::Id> ids;
  constexpr uintptr_t kStacks = 20000;  // several chunks of them
  for (uintptr_t i = 0; i < kStacks; ++i) {
    const auto frames = MakeStack(i, 1 + i % StackDepot::kMaxFrames);
    const StackDepot::Id id = depot.Add(frames.data(), frames.size());
    ASSERT_NE(id, 0U);
    EXPECT_TRUE(ids.insert(id).second);
  }
  for (uintptr_t i = 0; i < kStacks; ++i) {
    const auto frames = MakeStack(i, 1 + i % StackDepot::kMaxFrames);
    const StackDepot::Id id = depot.Add(frames.data(), frames.size());
    ASSERT_EQ(ids.count(id), 1U);
    const StackDepot::Stack* stack = depot.Get(id);
    ASSERT_EQ(stack->count, frames.size());
    for (size_t j = 0; j < frames.size(); ++j) {
      ASSERT_EQ(stack->frames[j], frames[j]);
    }
  }
  size_t visited = 0;
  depot.VisitAll([&visited](StackDepot::Stack*) { ++visited; });
  EXPECT_EQ(visited, kStacks);
}

TEST(StackDepotTest, TellsStacksApartThatBeginAlike) {
  MmapPageSource pages;
  StackDepot depot(pages);
  const auto frames = MakeStack(1, 10);
  EXPECT_NE(depot.Add(frames.data(), 10), depot.Add(frames.data(), 9));
}

TEST(StackDepotTest, AnswersUnknownWhereItCannotKeep) {
  FakePageSource pages;
  StackDepot depot(pages);
  const auto frames = MakeStack(1, StackDepot::kMaxFrames + 1);
  EXPECT_EQ(depot.Add(frames.data(), 0), 0U);
  EXPECT_EQ(depot.Add(frames.data(), frames.size()), 0U);
  EXPECT_EQ(depot.Get(0), nullptr);
  pages.FailCall(0);  // the buckets
  EXPECT_EQ(depot.Add(frames.data(), 3), 0U);
  EXPECT_NE(depot.Add(frames.data(), 3), 0U);
}

}  // namespace
}  // namespace myonly::internal
