// When a thread is taken for a quiet one, which keeps nothing for later: after
// many frees without a request, and while few requests come and there is more
// to look after. Counted, as far as the clock lets: a look each 8 ms is due.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "allocator/arena/sub_heap.h"
#include "allocator/base/clock.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "gtest/gtest.h"
#include "tests/arena/share_fixture.h"

namespace myonly::internal {
namespace {

constexpr size_t kSize = 2000;
constexpr size_t kPerLook = 64;  // frees
constexpr size_t kPerRequests = 16;
constexpr size_t kAlone = 1200;  // frees without a request
constexpr size_t kFew = 32;      // requests between two looks at the clock
constexpr uint64_t kDecayMs = 8;

class QuietShare : public ShareFixture {
 public:
  QuietShare() {
    for (void*& block : blocks_) block = TakeBlock();
    // Of these no slow path has come since the last look.
    const uint64_t start = CoarseMs();
    for (int i = 0; i < 48; ++i) SlowPath();
    is_late_ = CoarseMs() - start >= kDecayMs;
    then_ = CoarseMs();
  }
  void TestBody() override {}

  // A request that no list serves.
  void SlowPath() { last_ = Allocate(5000); }
  // What that gave waits in a list, which nobody counts.
  void KeepLast() { ground_.Free(last_); }
  // A block is freed and taken again without a slow path; false: it was not
  // kept for that, as the thread is quiet.
  bool FreesAndTakes() {
    void*& block = blocks_[used_];
    share_.FreeBlock(ground_.runs().Find(block), block);
    block = share_.AllocateMediumQuick(kSize);
    if (block == nullptr) ++used_;
    return block != nullptr;
  }
  bool IsQuiet() { return !FreesAndTakes(); }
  // How many frees make it quiet, of at most `most`; `most` + 1: more.
  size_t FreesUntilQuiet(size_t most) {
    for (size_t frees = 1; frees <= most; ++frees) {
      if (!FreesAndTakes()) return frees;
    }
    return most + 1;
  }
  // The clock shall have gone on; what was counted so far is over then.
  void Wait() {
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * kDecayMs));
    then_ = CoarseMs();
  }
  // Whether a look at the clock may have come that was not meant to.
  bool IsLate() const { return is_late_ || CoarseMs() - then_ >= kDecayMs; }

  SubHeap& share() { return share_; }
  using ShareFixture::Allocate;
  void Drop(void* ptr) { ground_.Free(ptr); }

 private:
  void* TakeBlock() {
    void* block = Allocate(kSize);
    while (!ground_.IsOfShare(block)) block = Allocate(kSize);
    return block;
  }

  void* last_ = nullptr;
  void* blocks_[8];
  size_t used_ = 0;
  bool is_late_ = false;
  uint64_t then_ = 0;
};

// With a share of its own, until the clock did not come in between. False: this
// machine is too busy.
bool WithShare(const std::function<void(QuietShare&)>& run) {
  for (int round = 0; round < 200; ++round) {
    QuietShare share;
    run(share);
    if (!share.IsLate()) return true;
  }
  return false;
}

// They are counted from the first look after the last request on.
constexpr size_t kUntilQuiet =
    kPerLook + (kAlone + kPerLook - 1) / kPerLook * kPerLook;

TEST(ShareQuietTest, ManyFreesWithoutARequestMakeIt) {
  size_t frees = 0;
  if (!WithShare([&frees](QuietShare& share) {
        frees = share.FreesUntilQuiet(2 * kUntilQuiet);
      })) {
    GTEST_SKIP();
  }
  EXPECT_EQ(frees, kUntilQuiet);
}

TEST(ShareQuietTest, ARequestBetweenBeginsTheCountAnew) {
  size_t frees = 0;
  if (!WithShare([&frees](QuietShare& share) {
        share.FreesUntilQuiet(10 * kPerLook);
        share.SlowPath();
        frees = share.FreesUntilQuiet(2 * kUntilQuiet);
      })) {
    GTEST_SKIP();
  }
  EXPECT_EQ(frees, kUntilQuiet);
}

// For so long they are looked after, though nothing is left to purge.
TEST(ShareQuietTest, FewRequestsAfterManyFreesMakeIt) {
  for (const size_t requests : {size_t{0}, kFew - 1, kFew}) {
    bool is_quiet = false;
    if (!WithShare([&is_quiet, requests](QuietShare& share) {
          share.Wait();
          share.FreesUntilQuiet(kPerLook);
          for (size_t i = 0; i < requests; ++i) share.SlowPath();
          share.KeepLast();
          share.Wait();
          share.FreesUntilQuiet(kPerLook);
          is_quiet = share.IsQuiet();
        })) {
      GTEST_SKIP();
    }
    EXPECT_EQ(is_quiet, requests < kFew) << requests;
  }
}

// By what the test above shows.
void MakeQuiet(QuietShare& share) {
  for (int i = 0; i < 3; ++i) {
    share.Wait();
    share.FreesUntilQuiet(kPerLook);
    if (share.IsQuiet()) return;
  }
  ADD_FAILURE() << "not quiet";
}

TEST(ShareQuietTest, ItStaysSoForFewRequestsAndNoLonger) {
  for (const size_t requests : {kFew - 1, kFew}) {
    bool is_quiet = false;
    if (!WithShare([&is_quiet, requests](QuietShare& share) {
          MakeQuiet(share);
          for (size_t i = 0; i < requests; ++i) share.SlowPath();
          is_quiet = share.IsQuiet();
        })) {
      GTEST_SKIP();
    }
    EXPECT_EQ(is_quiet, requests < kFew) << requests;
  }
}

size_t Listed(const SubHeap& share, size_t size_class) {
  size_t count = 0;
  for (const Object* at = share.lists[size_class]; !Slab::IsEnd(at);
       at = at->next) {
    ++count;
  }
  return count;
}

// So that its slow paths come often, its lists are short.
TEST(ShareQuietTest, ItsListsAreGivenBackAndAreShortThen) {
  const size_t size_class = SizeClassFor(64);
  size_t before = 0;
  size_t quiet = 0;
  size_t after = 0;
  if (!WithShare([&](QuietShare& share) {
        std::vector<void*> objects(210);
        for (void*& object : objects) object = share.Allocate(64);
        before = Listed(share.share(), size_class);
        MakeQuiet(share);
        quiet = Listed(share.share(), size_class);
        for (void* object : objects) share.Drop(object);
        share.Allocate(64);
        after = Listed(share.share(), size_class);
      })) {
    GTEST_SKIP();
  }
  EXPECT_GT(before, 0U);
  EXPECT_EQ(quiet, 0U);
  EXPECT_EQ(after, 0U);
}

// The next request looks after what has been freed, whatever is due else.
TEST(ShareQuietTest, ARequestAfterManyFreesLooksAtOnce) {
  for (const size_t frees : {kPerLook - 1, kPerLook}) {
    bool is_asked = false;
    if (!WithShare([&is_asked, frees](QuietShare& share) {
          share.FreesUntilQuiet(frees);
          share.share().AskForSpare();
          share.SlowPath();
          is_asked = share.share().is_asked();
        })) {
      GTEST_SKIP();
    }
    EXPECT_EQ(is_asked, frees < kPerLook);
  }
}

// Nor does that end with the next look at the clock, which other requests
// bring.
TEST(ShareQuietTest, WhatWasFreedIsLookedAfterForAWhile) {
  for (const bool is_many : {false, true}) {
    size_t until_look = 0;
    if (!WithShare([&until_look, is_many](QuietShare& share) {
          share.FreesUntilQuiet(is_many ? kPerLook : 1);
          for (size_t i = 0; i < kFew; ++i) share.SlowPath();
          share.Wait();
          const auto look = [&share] {
            share.share().AskForSpare();
            size_t requests = 0;
            for (; share.share().is_asked(); ++requests) share.SlowPath();
            return requests;
          };
          look();
          until_look = look();
        })) {
      GTEST_SKIP();
    }
    EXPECT_EQ(until_look, is_many ? 1U : kPerRequests);
  }
}

}  // namespace
}  // namespace myonly::internal
