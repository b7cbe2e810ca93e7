#include "allocator/guard/zero_size_blocks.h"

#include <csignal>
#include <set>
#include <thread>
#include <vector>

#include "allocator/base/sizes.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

class ZeroSizeBlocksTest : public ::testing::Test {
 protected:
  FakePageSource pages_;
  ZeroSizeBlocks blocks_{pages_};
};

TEST_F(ZeroSizeBlocksTest, EachHasAnAddressOfItsOwn) {
  std::set<void*> seen;
  for (int i = 0; i < 1000; ++i) {
    void* ptr = blocks_.Allocate();
    ASSERT_NE(ptr, nullptr);
    EXPECT_TRUE(IsAligned(reinterpret_cast<uintptr_t>(ptr), kMinAlignment));
    EXPECT_TRUE(blocks_.Has(ptr));
    EXPECT_TRUE(blocks_.IsLive(ptr));
    EXPECT_TRUE(seen.insert(ptr).second);
  }
}

TEST_F(ZeroSizeBlocksTest, HasNothingBeforeTheFirst) {
  for (uintptr_t address :
       {uintptr_t{0}, uintptr_t{4096}, reinterpret_cast<uintptr_t>(this),
        (uintptr_t{1} << 47) - 1, uintptr_t{1} << 63, UINTPTR_MAX}) {
    EXPECT_FALSE(blocks_.Has(reinterpret_cast<void*>(address)));
  }
  size_t index = 0;
  EXPECT_EQ(blocks_.NextLive(&index), nullptr);
}

TEST_F(ZeroSizeBlocksTest, IsFreedOnceAndOnlyAtItsStart) {
  char* ptr = static_cast<char*>(blocks_.Allocate());
  EXPECT_FALSE(blocks_.Free(ptr + 1));
  EXPECT_FALSE(blocks_.IsLive(ptr + 1));
  EXPECT_TRUE(blocks_.Free(ptr));
  EXPECT_FALSE(blocks_.IsLive(ptr));
  EXPECT_FALSE(blocks_.Free(ptr));
  EXPECT_FALSE(blocks_.Free(ptr + kMinAlignment));
  EXPECT_EQ(blocks_.allocations(), 1U);
  EXPECT_EQ(blocks_.frees(), 1U);
}

TEST_F(ZeroSizeBlocksTest, AFreedAddressWaitsForItsTurn) {
  void* first = blocks_.Allocate();
  blocks_.Free(first);
  for (size_t i = 1; i < ZeroSizeBlocks::kMostBlocks; ++i) {
    void* ptr = blocks_.Allocate();
    ASSERT_NE(ptr, first);
    blocks_.Free(ptr);
  }
  EXPECT_EQ(blocks_.Allocate(), first);
}

TEST_F(ZeroSizeBlocksTest, EndsWhenAllAreLive) {
  for (size_t i = 0; i < ZeroSizeBlocks::kMostBlocks; ++i) {
    ASSERT_NE(blocks_.Allocate(), nullptr);
  }
  EXPECT_EQ(blocks_.Allocate(), nullptr);
}

TEST_F(ZeroSizeBlocksTest, VisitsThoseThatAreLive) {
  void* first = blocks_.Allocate();
  void* second = blocks_.Allocate();
  void* third = blocks_.Allocate();
  blocks_.Free(second);
  size_t index = 0;
  EXPECT_EQ(blocks_.NextLive(&index), first);
  ++index;
  EXPECT_EQ(blocks_.NextLive(&index), third);
  ++index;
  EXPECT_EQ(blocks_.NextLive(&index), nullptr);
}

TEST_F(ZeroSizeBlocksTest, MakesNoneWhileItIsOff) {
  void* before = blocks_.Allocate();
  blocks_.set_is_on(false);
  EXPECT_EQ(blocks_.Allocate(), nullptr);
  EXPECT_TRUE(blocks_.Free(before));
}

TEST_F(ZeroSizeBlocksTest, WithoutAddressesThereIsNone) {
  for (int failing = 0; failing < 2; ++failing) {
    pages_.FailFrom(failing);
    EXPECT_EQ(blocks_.Allocate(), nullptr);
    pages_.StopFailing();
  }
  EXPECT_NE(blocks_.Allocate(), nullptr);
}

TEST_F(ZeroSizeBlocksTest, ThreadsGetDifferentOnes) {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 2000;
  std::vector<void*> got[kThreads];
  std::vector<std::thread> threads;
  for (auto& mine : got) {
    threads.emplace_back([this, &mine] {
      for (size_t i = 0; i < kEach; ++i) mine.push_back(blocks_.Allocate());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<void*> all;
  for (const auto& mine : got) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), kThreads * kEach);
  for (void* ptr : all) EXPECT_TRUE(blocks_.Free(ptr));
}

// A sanitizer has a handler of its own.
void TakeFaults() { std::signal(SIGSEGV, SIG_DFL); }

TEST(ZeroSizeBlocksDeathTest, EveryTouchFaults) {
  MmapPageSource pages;
  ZeroSizeBlocks blocks(pages);
  volatile char* ptr = static_cast<char*>(blocks.Allocate());
  EXPECT_EXIT((TakeFaults(), *ptr = 1), ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT((TakeFaults(), (void)*ptr), ::testing::KilledBySignal(SIGSEGV),
              "");
}

}  // namespace
}  // namespace myonly::internal
