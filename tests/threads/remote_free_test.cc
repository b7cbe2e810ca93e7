// The queue and the batch of remote frees: nothing is lost, nothing comes
// twice, and what is parked is bounded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "allocator/arena/remote_free_queue.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/threads/remote_free_batch.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// The size divides that of a slice: a pair of cells is in one.
struct alignas(32) Cell {
  Object object;
  uintptr_t word;
};

// Cells that begin where a slice does. They are marked.
class Cells {
 public:
  explicit Cells(size_t count)
      : memory_(count + kSliceSize / sizeof(Cell)),
        first_(reinterpret_cast<Cell*>(
            AlignUp(reinterpret_cast<uintptr_t>(memory_.data()), kSliceSize))) {
    for (size_t i = 0; i < count; ++i) first_[i].object.mark = kMark;
  }
  Cell& operator[](size_t i) { return first_[i]; }
  bool IsMarked(const Object& object) const { return object.mark == kMark; }

 private:
  static constexpr uintptr_t kMark = 0x1000;

  std::vector<Cell> memory_;
  Cell* const first_;
};

RemoteChain Link(Cells& cells, size_t first, size_t count) {
  for (size_t i = first; i + 1 < first + count; ++i) {
    cells[i].object.next = &cells[i + 1].object;
  }
  return {&cells[first].object, &cells[first + count - 1].object, count};
}

TEST(RemoteFreeQueueTest, ChainsComeOutAsTheyWentIn) {
  Cells cells(100);
  RemoteFreeQueue queue;
  RemoteChain chain;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.First(), nullptr);
  queue.Push(Link(cells, 0, 1));
  queue.Push(Link(cells, 10, 2));
  queue.Push(Link(cells, 20, 70));
  queue.Push(Link(cells, 95, 3));
  // Whoever looks at what waits here sees that it is free.
  for (size_t i = 0; i < 100; ++i) EXPECT_TRUE(cells.IsMarked(cells[i].object));
  EXPECT_FALSE(queue.empty());
  size_t seen = 0;
  while (queue.First() != nullptr) {
    ASSERT_TRUE(queue.Pop(&chain));
    seen += chain.count;
    size_t length = 1;
    EXPECT_TRUE(cells.IsMarked(*chain.first));
    for (Object* at = chain.first; at != chain.last; at = at->next) {
      EXPECT_TRUE(cells.IsMarked(*at->next));
      ++length;
    }
    EXPECT_EQ(length, chain.count);
  }
  EXPECT_EQ(seen, 76U);
  EXPECT_TRUE(queue.empty());
}

// Programs write into what they have freed.
TEST(RemoteFreeQueueTest, OverwrittenLinksAreToldAndStayInTheSlice) {
  for (const uintptr_t garbage :
       {uintptr_t{0}, ~uintptr_t{0}, uintptr_t{0x4141414141414141},
        uintptr_t{0x7fff12345678}}) {
    Cells cells(10);
    RemoteFreeQueue queue;
    queue.Push(Link(cells, 0, 10));
    cells[1].object.next = reinterpret_cast<Object*>(garbage);
    RemoteChain chain;
    ASSERT_EQ(queue.First(), &cells[0].object);
    EXPECT_FALSE(queue.Pop(&chain)) << garbage;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(chain.last) / kSliceSize,
              reinterpret_cast<uintptr_t>(chain.first) / kSliceSize);
  }
}

TEST(RemoteFreeQueueTest, NothingIsLostBetweenManyThreads) {
  constexpr size_t kThreads = 4;
  constexpr size_t kChains = 20000;
  std::vector<std::unique_ptr<Cells>> cells;
  for (size_t t = 0; t < kThreads; ++t) {
    cells.push_back(std::make_unique<Cells>(kChains * 2));
  }
  RemoteFreeQueue queue;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&queue, &cells, t] {
      for (size_t i = 0; i < kChains; ++i) {
        queue.Push(Link(*cells[t], i * 2, 1 + i % 2));
      }
    });
  }
  const size_t expected = kThreads * (kChains + kChains / 2);
  size_t seen = 0;
  RemoteChain chain;
  while (seen < expected) {
    while (queue.First() != nullptr) {
      ASSERT_TRUE(queue.Pop(&chain));
      for (Object* at = chain.first;; at = at->next) {
        // Its owner may use it again at once.
        reinterpret_cast<Cell*>(at)->word = ~uintptr_t{0};
        ++seen;
        if (at == chain.last) break;
      }
    }
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, expected);
  EXPECT_TRUE(queue.empty());
}

class RemoteFreeBatchTest : public ::testing::Test {
 protected:
  static constexpr size_t kSlabs = 64;
  static constexpr size_t kMost = RemoteFreeBatch::kMaxParkedBytes / 64;
  static constexpr uintptr_t kOwner = 0x7000;

  RemoteFreeBatchTest() : slabs_(kSlabs) {
    memory_ =
        static_cast<char*>(aligned_alloc(kSliceSize, kSlabs * kSliceSize));
    memset(memory_, 0, kSlabs * kSliceSize);
    for (size_t i = 0; i < kSlabs; ++i) {
      Slab::Open(&slabs_[i], SizeClassFor(64), nullptr);
      slabs_[i].key = Slab::Key(&slabs_[i], memory_ + i * kSliceSize, kOwner);
    }
  }
  ~RemoteFreeBatchTest() override { free(memory_); }

  // A slab's objects in turn: what waits is never all of them.
  char* NextOf(size_t slab) {
    const size_t object = added_[slab]++ % (kSliceSize / 64);
    ++used_;
    return memory_ + slab * kSliceSize + object * 64;
  }
  void Add(size_t slab) { Add(slab, NextOf(slab)); }
  void Add(size_t slab, char* object) {
    batch_.Add(&slabs_[slab], object,
               [this](Slice* of, const RemoteChain& chain) { See(of, chain); });
  }
  // As free does it. An object that is freed for the first time has no mark.
  bool AddQuickly(size_t slab) {
    char* object = NextOf(slab);
    reinterpret_cast<Object*>(object)->mark = 0;
    const bool is_quick = batch_.AddQuick(&slabs_[slab], object,
                                          Slab::TokenAt(&slabs_[slab], object));
    if (!is_quick) Add(slab, object);
    return is_quick;
  }
  // Each chain is as long as it says, from the first to the last one.
  void See(Slice* of, const RemoteChain& chain) {
    posted_[of - slabs_.data()] += chain.count;
    longest_ = std::max(longest_, chain.count);
    size_t count = 1;
    for (const Object* at = chain.first; at != chain.last; at = at->next) {
      ASSERT_LT(count++, chain.count);
    }
    EXPECT_EQ(count, chain.count);
  }
  size_t Posted() const {
    size_t sum = 0;
    for (size_t count : posted_) sum += count;
    return sum;
  }

  std::vector<Slice> slabs_;
  char* memory_;
  RemoteFreeBatch batch_;
  size_t used_ = 0;
  size_t added_[kSlabs] = {};
  size_t posted_[kSlabs] = {};
  size_t longest_ = 0;
};

TEST_F(RemoteFreeBatchTest, OneSlabGoesInFullChains) {
  for (int i = 0; i < 1000; ++i) Add(0);
  EXPECT_EQ(longest_, kMost);
  EXPECT_LT(used_ - Posted(), kMost);
}

// But for the first and the last one of a chain all are added without a look at
// the rest.
TEST_F(RemoteFreeBatchTest, OneSlabGoesInFullChainsHoweverItsObjectsAreAdded) {
  size_t quick = 0;
  for (size_t i = 0; i < 10 * kMost; ++i) {
    quick += AddQuickly(0) ? 1 : 0;
    ASSERT_EQ(used_ - Posted(), (i + 1) % kMost);
  }
  EXPECT_EQ(longest_, kMost);
  EXPECT_EQ(quick, 10 * (kMost - 2));
  // Half of them one way, half the other.
  for (const size_t way : {0, 1}) {
    for (size_t i = 0; i < 10 * kMost; ++i) {
      i % 2 == way ? static_cast<void>(AddQuickly(0)) : Add(0);
      ASSERT_EQ(used_ - Posted(), (i + 1) % kMost);
    }
  }
  EXPECT_EQ(longest_, kMost);
}

// An address inside an object gives another token, as does another's slab.
TEST_F(RemoteFreeBatchTest, WhatIsNoObjectIsNotAddedQuickly) {
  if (!kChecksObjects) GTEST_SKIP() << "this preset does not look";
  AddQuickly(0);
  char* inside = NextOf(0) + 16;
  EXPECT_FALSE(
      batch_.AddQuick(&slabs_[0], inside, Slab::TokenAt(&slabs_[0], inside)));
  EXPECT_FALSE(AddQuickly(1));
}

TEST_F(RemoteFreeBatchTest, WhatIsParkedIsBoundedAndPostAllEmptiesIt) {
  size_t expected[64] = {};
  for (size_t i = 0; i < 50000; ++i) {
    const size_t slab = i * 7919 % 64;
    Add(slab);
    ++expected[slab];
    ASSERT_LE((used_ - Posted()) * 64,
              RemoteFreeBatch::kPlaces * RemoteFreeBatch::kMaxParkedBytes);
    // Who is told that nothing waits does not post it.
    ASSERT_EQ(batch_.empty(), used_ == Posted()) << i;
  }
  batch_.PostAll(
      [this](Slice* of, const RemoteChain& chain) { See(of, chain); });
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(posted_[i], expected[i]) << i;
  EXPECT_TRUE(batch_.empty());
}

// Wherever two slabs have their places.
TEST_F(RemoteFreeBatchTest, WhatWaitsBesideAFullChainIsNotForgotten) {
  for (size_t other = 1; other < kSlabs; ++other) {
    Add(other);
    for (size_t i = 0; i < kMost; ++i) Add(0);
    ASSERT_EQ(batch_.empty(), used_ == Posted()) << other;
    batch_.PostAll(
        [this](Slice* of, const RemoteChain& chain) { See(of, chain); });
    ASSERT_EQ(used_, Posted()) << other;
    ASSERT_TRUE(batch_.empty()) << other;
  }
}

}  // namespace
}  // namespace myonly::internal
