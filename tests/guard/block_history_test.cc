#include "allocator/guard/block_history.h"

#include <cstdint>

#include "allocator/guard/freed_queue.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

void* Address(uintptr_t i) { return reinterpret_cast<void*>(16 * (i + 1)); }

TEST(BlockHistoryTest, FindsWhatWasAddedThroughAllItsSizes) {
  MmapPageSource pages;
  BlockHistory history(pages);
  BlockRecord copy;
  EXPECT_EQ(history.Find(Address(0)), nullptr);
  EXPECT_FALSE(history.Peek(Address(0), &copy));
  constexpr uintptr_t kBlocks = 100000;
  for (uintptr_t i = 0; i < kBlocks; ++i) {
    BlockRecord* record = history.Add(Address(i));
    ASSERT_NE(record, nullptr);
    record->SetSize(i);
    record->is_live = i % 2;
  }
  for (uintptr_t i = 0; i < kBlocks; ++i) {
    ASSERT_EQ(history.Add(Address(i)), history.Find(Address(i)));
    ASSERT_TRUE(history.Peek(Address(i), &copy));
    ASSERT_EQ(copy.size, i);
    ASSERT_EQ(copy.is_live, i % 2);
  }
  EXPECT_EQ(history.Find(Address(kBlocks)), nullptr);
  EXPECT_FALSE(history.Peek(Address(kBlocks), &copy));
  size_t visited = 0;
  history.VisitAll([&visited](const BlockRecord*) { ++visited; });
  EXPECT_EQ(visited, kBlocks);
}

TEST(BlockHistoryTest, RefusesWhereThereIsNoMemory) {
  FakePageSource pages;
  BlockHistory history(pages);
  pages.FailCall(0);
  EXPECT_EQ(history.Add(Address(0)), nullptr);
  uintptr_t added = 0;
  // It never grows again: all but one of the first places are used.
  for (BlockRecord* record = history.Add(Address(0)); record != nullptr;
       record = history.Add(Address(added))) {
    ++added;
    ASSERT_LT(added, 100000U);
    pages.FailFrom(0);
  }
  EXPECT_GT(added, 1000U);
  EXPECT_EQ(history.Find(Address(added)), nullptr);
  EXPECT_NE(history.Find(Address(added - 1)), nullptr);
}

TEST(FreedQueueTest, GivesTheOldestBackWhenItIsFull) {
  static FreedQueue queue;
  EXPECT_EQ(queue.TakeOldest().ptr, nullptr);
  EXPECT_EQ(queue.Next(), nullptr);
  for (uintptr_t i = 0; i < FreedQueue::kPlaces; ++i) {
    EXPECT_EQ(queue.Put({Address(i), 1}).ptr, nullptr);
  }
  EXPECT_EQ(queue.Put({Address(FreedQueue::kPlaces), 1}).ptr, Address(0));
  EXPECT_EQ(queue.TakeSurplus().ptr, nullptr);
  // All in turn, and from the first on again.
  for (int round = 0; round < 2; ++round) {
    for (uintptr_t i = 1; i <= FreedQueue::kPlaces; ++i) {
      ASSERT_EQ(queue.Next()->ptr, Address(i));
    }
  }
  queue.Remove(queue.Next());
  EXPECT_EQ(queue.TakeOldest().ptr, Address(2));
}

TEST(FreedQueueTest, IsBoundedByBytes) {
  static FreedQueue queue;
  queue.Put({Address(1), FreedQueue::kMaxBytes});
  EXPECT_EQ(queue.TakeSurplus().ptr, nullptr);
  queue.Put({Address(2), 1});
  EXPECT_EQ(queue.TakeSurplus().ptr, Address(1));
  EXPECT_EQ(queue.TakeSurplus().ptr, nullptr);
}

}  // namespace
}  // namespace myonly::internal
