// Slices that fault between runs, in the secure preset.
#include <setjmp.h>
#include <signal.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// One more where memory grew just when a guard was due.
constexpr size_t kMost = RunPool::kMaxRunsPerGuard + 1;

sigjmp_buf after_fault;
void JumpOut(int /*signal*/) { siglongjmp(after_fault, 1); }

// Addresses from `start` on that can be read, at most `most`.
size_t Readable(const char* start, size_t most) {
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = JumpOut;
  sigaction(SIGSEGV, &action, &before);
  static volatile size_t count;
  count = 0;
  if (sigsetjmp(after_fault, 1) == 0) {
    for (; count < most; count = count + kPageSize) {
      static_cast<void>(*const_cast<const volatile char*>(start + count));
    }
  }
  sigaction(SIGSEGV, &before, nullptr);
  return count;
}

// With the system's guards, if it has them, and without.
struct OfTheSystem {
  using Pages = MmapPageSource;
};
struct OfMappings {
  using Pages = FakePageSource;
};

template <typename Source>
class GuardSlicesTest : public ::testing::Test {
 protected:
  GuardSlicesTest() : pool_(pages_) {}
  ~GuardSlicesTest() override { pool_.CheckInvariants(); }

  Slice* Allocate(size_t slices, RunKind kind = RunKind::kSlab) {
    bool zeroed;
    Slice* run = pool_.Allocate(slices, kind, this, &zeroed);
    if (run != nullptr) {
      memset(pool_.AddressOf(run), 'x', slices * kSliceSize);
    }
    return run;
  }

  typename Source::Pages pages_;
  RunPool pool_;
};

using Sources = ::testing::Types<OfTheSystem, OfMappings>;
TYPED_TEST_SUITE(GuardSlicesTest, Sources, );

TYPED_TEST(GuardSlicesTest, NoWayLeadsFarOverSlabs) {
  std::vector<Slice*> slabs;
  for (int i = 0; i < 100; ++i) slabs.push_back(this->Allocate(1));
  for (size_t i = 0; i + kMost < slabs.size(); ++i) {
    EXPECT_LE(Readable(this->pool_.AddressOf(slabs[i]), 50 * kSliceSize),
              kMost * kSliceSize);
  }
  EXPECT_EQ(this->pool_.live_bytes(), 100 * kSliceSize);
  this->pool_.CheckInvariants();
}

// Two or three slabs are between two of them, nobody knows where: addresses
// are not used up in vain.
TYPED_TEST(GuardSlicesTest, TheyAreAsManyAsTheyShouldBe) {
  constexpr size_t kSlabs = 400;
  size_t guards = 0;
  const Slice* before = this->Allocate(1);
  for (size_t i = 1; i < kSlabs; ++i) {
    const Slice* slab = this->Allocate(1);
    guards += before - 1 == slab ? 0 : 1;
    before = slab;
  }
  // One in (1 + 2 + 3 + 4) / 4; the deviation is 6 or so.
  EXPECT_GT(guards, kSlabs * 2 / 5 - 30);
  EXPECT_LT(guards, kSlabs * 2 / 5 + 30);
}

TYPED_TEST(GuardSlicesTest, TheyGoWhenTheirNeighboursAreFree) {
  for (int round = 0; round < 3; ++round) {
    std::vector<Slice*> slabs;
    for (int i = 0; i < 25; ++i) slabs.push_back(this->Allocate(1));
    for (size_t i = 0; i < slabs.size(); ++i) {
      this->pool_.Free(slabs[i * 7 % slabs.size()]);
      this->pool_.CheckInvariants();
    }
    // What was committed at first is one again.
    this->pool_.Purge(0);
    Slice* all = this->Allocate(64, RunKind::kLarge);
    ASSERT_NE(all, nullptr);
    EXPECT_EQ(this->pool_.SliceAt(0, 64), nullptr);
    this->pool_.Free(all);
  }
}

TYPED_TEST(GuardSlicesTest, LargeRunsHaveNone) {
  for (int i = 0; i < 10; ++i) this->Allocate(3, RunKind::kLarge);
  EXPECT_EQ(Readable(this->pool_.AddressOf(this->pool_.SliceAt(0, 0)),
                     30 * kSliceSize),
            30 * kSliceSize);
}

// Where there are few addresses less is reserved, of either kind.
TEST(GuardSlicesFailureTest, OneReservationThatFailsIsNoFailure) {
  for (int64_t n = 0; n < 2; ++n) {
    FakePageSource pages;
    RunPool pool(pages);
    pages.FailCall(n);
    bool zeroed;
    Slice* run = pool.Allocate(1, RunKind::kSlab, &pages, &zeroed);
    ASSERT_NE(run, nullptr) << n;
    EXPECT_TRUE(pages.TakeFailed());
    // What was reserved in vain has been given back.
    EXPECT_LT(pages.reserved_bytes(), pages.ReservationLimit());
    memset(pool.AddressOf(run), 'x', kSliceSize);
    pool.CheckInvariants();
  }
}

TEST(GuardSlicesFailureTest, WhatTheSystemRefuses) {
  for (int64_t n = 0;; ++n) {
    FakePageSource pages;
    RunPool pool(pages);
    pages.FailCall(n);
    std::vector<Slice*> slabs;
    for (int i = 0; i < 40; ++i) {
      bool zeroed;
      Slice* run = pool.Allocate(1, RunKind::kSlab, &pages, &zeroed);
      if (run == nullptr) continue;
      memset(pool.AddressOf(run), 'x', kSliceSize);
      slabs.push_back(run);
    }
    EXPECT_GE(slabs.size(), 39U);
    for (Slice* slab : slabs) pool.Free(slab);
    pool.CheckInvariants();
    pages.StopFailing();
    if (!pages.TakeFailed()) break;
  }
}

}  // namespace
}  // namespace myonly::internal
