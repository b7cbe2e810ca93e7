// A thread's share of an arena of the program, over a page source of its own.
#ifndef MYONLY_TESTS_ARENA_SHARE_FIXTURE_H_
#define MYONLY_TESTS_ARENA_SHARE_FIXTURE_H_

#include <cstddef>
#include <cstdint>

#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/in_zeros.h"

namespace myonly::internal {

class ShareFixture : public ::testing::Test {
 protected:
  ShareFixture() { Open(16); }
  ~ShareFixture() override {
    EXPECT_TRUE(ground_.Check(arena_));
    arena_.Close(/*require_empty=*/false);
  }

  void Open(uintptr_t token) {
    arena_.set_token(token);
    arena_.Open(ArenaOptions());
    EXPECT_TRUE(arena_.OpenShare(&share_));
  }
  void* Allocate(size_t size) {
    Status status = Status::kOk;
    void* block = share_.Allocate(size, kMinAlignment, &status);
    EXPECT_NE(block, nullptr) << size;
    return block;
  }
  // After these the share has a region, and serves such blocks itself.
  void Warm(size_t size) {
    for (int i = 0; i < 20; ++i) Allocate(size);
  }
  // As another thread frees one of its blocks.
  void Post(void* block) {
    ASSERT_TRUE(ground_.IsOfShare(block));
    Slice* region = ground_.runs().Find(block);
    ASSERT_TRUE(share_.MarkPosted(region, block));
    auto* first = static_cast<Object*>(block);
    SubHeap::Post(region, {first, first, 1});
  }

  static constexpr uintptr_t kToken = 0x10000;

  FakePageSource pages_;
  Ground ground_{pages_};
  Arena arena_{ground_.runs(), ground_.huge(), TestSeed, "test"};
  SliceCache cache_;
  InZeros<SubHeap> share_in_zeros_{arena_,   ground_.runs(), ground_.huge(),
                                   TestSeed, kToken,         &cache_};
  SubHeap& share_ = *share_in_zeros_;
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_ARENA_SHARE_FIXTURE_H_
