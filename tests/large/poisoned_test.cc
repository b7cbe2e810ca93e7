// What is freed in the secure preset, and can't be made to fault: it is used
// again, and nothing is lost. And mappings whose growth the system refuses.
#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "allocator/base/sizes.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSlices = 8;

// Of a system that at times makes nothing fault, and takes off no guard.
class StubbornPages final : public PageSource {
 public:
  void* Reserve(size_t bytes, size_t alignment, Access access) override {
    return pages_.Reserve(bytes, alignment, access);
  }
  bool Commit(void* start, size_t bytes) override {
    return !RefusesOnce() && pages_.Commit(start, bytes);
  }
  bool Decommit(void* start, size_t bytes) override {
    if (keeps_access) return false;
    return pages_.Decommit(start, bytes) && !forgets_that_it_did;
  }
  bool Purge(void* start, size_t bytes) override {
    return pages_.Purge(start, bytes);
  }
  bool Release(void* start, size_t bytes) override {
    return pages_.Release(start, bytes);
  }
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override {
    return pages_.Remap(start, old_bytes, new_bytes);
  }
  bool Move(void* start, size_t bytes, void* target) override {
    return pages_.Move(start, bytes, target);
  }
  bool Guard(void* start, size_t bytes) override {
    return !refuses && pages_.Guard(start, bytes);
  }
  bool Unguard(void* start, size_t bytes) override {
    return !refuses && !RefusesOnce() && pages_.Unguard(start, bytes);
  }
  size_t ReservationLimit() const override { return kMiB; }

  bool refuses = false;       // guards
  bool keeps_access = false;  // to pages without one
  bool refuses_once = false;  // that what faults is usable again
  // It faults, and the system says that it doesn't.
  bool forgets_that_it_did = false;

 private:
  bool RefusesOnce() { return std::exchange(refuses_once, false); }

  MmapPageSource pages_;
};

constexpr char kNoGuards[] = "the system has no guards";

// NULL: there is none.
Slice* AllocateFilled(RunPool& pool) {
  bool zeroed;
  Slice* run = pool.Allocate(kSlices, RunKind::kLarge, &pool, &zeroed);
  if (run != nullptr) memset(pool.AddressOf(run), 1, kSlices * kSliceSize);
  return run;
}

TEST(StubbornRunTest, IsNotUsedAgainBeforeItsGuardIsOff) {
  for (const bool keeps_access : {false, true}) {
    StubbornPages pages;
    RunPool pool(pages);
    const auto allocate = [&pool] { return AllocateFilled(pool); };
    Slice* guarded = allocate();
    ASSERT_NE(guarded, nullptr);
    char* end = pool.AddressOf(guarded) + kSlices * kSliceSize;
    if (!pool.Guard(end - kPageSize, kPageSize)) GTEST_SKIP() << kNoGuards;
    pages.refuses = true;
    pages.keeps_access = keeps_access;
    pool.FreePoisoned(guarded, /*has_guard=*/true);
    pool.CheckInvariants();
    for (int i = 0; i < 10; ++i) {
      Slice* run = allocate();
      ASSERT_NE(run, nullptr);
      EXPECT_NE(run, guarded);
    }
    pages.refuses = false;
    bool is_used = false;
    while (Slice* run = allocate()) is_used = is_used || run == guarded;
    EXPECT_TRUE(is_used);
    pool.CheckInvariants();
  }
}

// Who asks for memory gets it at the next try, and is not kept waiting for as
// long as the system refuses.
TEST(StubbornRunTest, IsAskedForOnceARequest) {
  StubbornPages pages;
  RunPool pool(pages);
  const auto allocate = [&pool] {
    bool zeroed;
    return pool.Allocate(kSlices, RunKind::kLarge, &pool, &zeroed);
  };
  Slice* last = nullptr;
  while (Slice* run = allocate()) last = run;
  ASSERT_NE(last, nullptr);
  pool.FreePoisoned(last);
  pages.refuses_once = true;
  EXPECT_EQ(allocate(), nullptr);
  EXPECT_FALSE(pages.refuses_once);
  pool.CheckInvariants();
  EXPECT_EQ(allocate(), last);
  memset(pool.AddressOf(last), 1, kSlices * kSliceSize);
  pool.CheckInvariants();
}

// Of a call that fails a part may be done.
TEST(StubbornRunTest, IsUsableAlsoWhereItWasMadeToFaultInVain) {
  StubbornPages pages;
  RunPool pool(pages);
  Slice* run = AllocateFilled(pool);
  ASSERT_NE(run, nullptr);
  pages.refuses = pages.forgets_that_it_did = true;
  pool.FreePoisoned(run);
  EXPECT_EQ(AllocateFilled(pool), run);
  pool.CheckInvariants();
}

TEST(StubbornMappingTest, DoesNotGrowOverItsGuard) {
  StubbornPages pages;
  MetadataAllocator metadata(pages);
  HugeMappings huge(pages, metadata);
  size_t fresh_bytes;
  HugeMapping* mapping =
      huge.Allocate(9 * kMiB, kPageSize, /*zeroed=*/false, &huge, &fresh_bytes);
  ASSERT_NE(mapping, nullptr);
  if (!mapping->has_guard) GTEST_SKIP() << kNoGuards;
  pages.refuses = true;
  EXPECT_FALSE(huge.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
  memset(mapping->start, 1, 9 * kMiB);
  pages.refuses = false;
  ASSERT_TRUE(huge.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  memset(mapping->start, 1, 20 * kMiB);
  huge.CheckInvariants();
}

class PoisonedRunsTest : public ::testing::Test {
 protected:
  Slice* Allocate() {
    bool zeroed;
    Slice* run = pool_.Allocate(kSlices, RunKind::kLarge, this, &zeroed);
    if (run != nullptr) memset(pool_.AddressOf(run), 1, kSlices * kSliceSize);
    return run;
  }

  FakePageSource pages_;
  RunPool pool_{pages_};
};

TEST_F(PoisonedRunsTest, ARunThatStaysReadableIsFreeAtOnce) {
  Slice* run = Allocate();
  ASSERT_NE(run, nullptr);
  pages_.FailFrom(0);
  pool_.FreePoisoned(run);
  pages_.StopFailing();
  EXPECT_EQ(pool_.live_bytes(), 0U);
  EXPECT_GE(pool_.dirty_bytes(), kSlices * kSliceSize);
  pool_.CheckInvariants();
  EXPECT_EQ(Allocate(), run);
  pool_.CheckInvariants();
}

// Where there are no more addresses, one after the other, and again.
TEST(PoisonedRunTest, IsUsedWhenNothingElseIsLeftAsOftenAsThatHappens) {
  StubbornPages pages;
  RunPool pool(pages);
  const auto allocate = [&pool] {
    bool zeroed;
    return pool.Allocate(kSlices, RunKind::kLarge, &pool, &zeroed);
  };
  std::vector<Slice*> runs;
  while (Slice* run = allocate()) runs.push_back(run);
  for (size_t count : {1, 1, 3, 2, 1}) {
    for (size_t i = 0; i < count; ++i) pool.FreePoisoned(runs[i]);
    pool.CheckInvariants();
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(allocate(), runs[i]) << count;
    EXPECT_EQ(allocate(), nullptr);
    pool.CheckInvariants();
  }
}

TEST(PoisonedRunTest, SoManyFaultAndNotOneMore) {
  struct {
    size_t slices;
    size_t most;
  } const cases[] = {
      {1, RunPool::kMaxPoisonedRuns},
      {512, RunPool::kMaxPoisonedSlices / 512},
  };
  for (const auto& one : cases) {
    FakePageSource pages(size_t{4} << 30);
    RunPool pool(pages);
    const auto allocate = [&pool, &one] {
      bool zeroed;
      return pool.Allocate(one.slices, RunKind::kLarge, &pool, &zeroed);
    };
    std::vector<Slice*> runs;
    for (size_t i = 0; i <= one.most; ++i) runs.push_back(allocate());
    const auto usable_again = [&pages] {
      return pages.Count(FakePageSource::Verb::kCommit);
    };
    const size_t before = usable_again();
    for (size_t i = 0; i < one.most; ++i) pool.FreePoisoned(runs[i]);
    EXPECT_EQ(usable_again(), before) << one.slices;
    pool.FreePoisoned(runs[one.most]);
    EXPECT_EQ(usable_again(), before + 1) << one.slices;
    EXPECT_EQ(allocate(), runs[0]) << "the oldest";
    pool.CheckInvariants();
  }
}

// By the system's guards, if it has them.
TEST(PoisonedRunTest, FaultsUntilItIsUsedAgain) {
  MmapPageSource pages;
  RunPool pool(pages);
  constexpr size_t kMany = 512;
  bool zeroed;
  const auto allocate = [&pool, &zeroed] {
    return pool.Allocate(kMany, RunKind::kLarge, &pool, &zeroed);
  };
  Slice* first = allocate();
  ASSERT_NE(first, nullptr);
  volatile char* start = pool.AddressOf(first);
  *start = 1;
  pool.FreePoisoned(first);
  EXPECT_EXIT(*start = 2, ::testing::KilledBySignal(SIGSEGV), "");
  // Of many the oldest is used first.
  Slice* run = nullptr;
  for (int i = 0; run != first; ++i) {
    ASSERT_LT(i, 1000);
    run = allocate();
    ASSERT_NE(run, nullptr);
    *pool.AddressOf(run) = 1;
    if (run != first) pool.FreePoisoned(run);
  }
  memset(pool.AddressOf(run), 1, kMany * kSliceSize);
  pool.CheckInvariants();
}

class PoisonedMappingsTest : public ::testing::Test {
 protected:
  HugeMapping* Allocate(size_t bytes) {
    size_t fresh_bytes = 0;
    return huge_.Allocate(bytes, kPageSize, /*zeroed=*/false, this,
                          &fresh_bytes);
  }

  FakePageSource pages_;
  MetadataAllocator metadata_{pages_};
  HugeMappings huge_{pages_, metadata_};
};

TEST_F(PoisonedMappingsTest, AMappingThatStaysReadableIsGivenBack) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  const char* start = mapping->start;
  pages_.FailCall(0);
  huge_.FreePoisoned(mapping);
  EXPECT_TRUE(pages_.TakeFailed());
  EXPECT_EQ(huge_.live_bytes(), 0U);
  EXPECT_EQ(huge_.Find(start), nullptr);
  huge_.CheckInvariants();
  bool is_released = false;
  for (const FakePageSource::Call& call : pages_.journal()) {
    is_released = is_released || (call.verb == FakePageSource::Verb::kRelease &&
                                  call.start == start && call.ok);
  }
  EXPECT_TRUE(is_released);
}

TEST_F(PoisonedMappingsTest, TheFirstByteBehindAMappingFaults) {
  HugeMapping* before = Allocate(9 * kMiB);
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  memset(before->start, 1, before->bytes);
  memset(mapping->start, 1, mapping->bytes);
  const volatile char* end = mapping->start + mapping->bytes;
  EXPECT_EXIT(static_cast<void>(*end), ::testing::KilledBySignal(SIGSEGV), "");
}

// Until so many have been freed after it, and no longer.
TEST_F(PoisonedMappingsTest, SixtyFourFaultAndTheOldestIsGivenBack) {
  constexpr size_t kMost = 64;
  constexpr size_t kWhole = 9 * kMiB + kPageSize;
  HugeMapping* mappings[kMost + 3];
  for (HugeMapping*& mapping : mappings) mapping = Allocate(9 * kMiB);
  const size_t records = metadata_.reserved_bytes();
  const auto held = [this, records] {
    return (pages_.reserved_bytes() - records) / kWhole;
  };
  EXPECT_EQ(pages_.reserved_bytes() - records, (kMost + 3) * kWhole);
  for (size_t i = 0; i < kMost; ++i) huge_.FreePoisoned(mappings[i]);
  EXPECT_EQ(held(), kMost + 3);
  const char* oldest = mappings[0]->start;
  huge_.FreePoisoned(mappings[kMost]);
  EXPECT_EQ(held(), kMost + 2);
  EXPECT_EQ(pages_.journal().back().start, oldest);
  EXPECT_EQ(pages_.journal().back().bytes, kWhole);
  // One that went before its time leaves room for another.
  pages_.FailCall(0);
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  EXPECT_EQ(held(), kMost + 2);
  huge_.FreePoisoned(mapping);
  EXPECT_EQ(held(), kMost + 2);
  huge_.FreePoisoned(mappings[kMost + 1]);
  EXPECT_EQ(held(), kMost + 1);
  huge_.CheckInvariants();
}

// Addresses can be as scarce as memory.
TEST_F(PoisonedMappingsTest, WhatWasFreedIsGivenBackBeforeARequestFails) {
  huge_.FreePoisoned(Allocate(9 * kMiB));
  huge_.FreePoisoned(Allocate(9 * kMiB));
  pages_.FailCall(0);
  EXPECT_NE(Allocate(9 * kMiB), nullptr);
  EXPECT_TRUE(pages_.TakeFailed());
  huge_.CheckInvariants();
  // Until there is nothing more.
  pages_.FailFrom(0);
  EXPECT_EQ(Allocate(9 * kMiB), nullptr);
  pages_.StopFailing();
  huge_.CheckInvariants();
}

// Whose list it was in does not matter.
TEST_F(PoisonedMappingsTest, WhatIsGivenBackIsWhatWasFreed) {
  HugeMapping* freed = Allocate(9 * kMiB);
  HugeMapping* live = Allocate(9 * kMiB);
  freed->next = live;
  huge_.FreePoisoned(freed);
  pages_.FailCall(0);
  EXPECT_NE(Allocate(9 * kMiB), nullptr);
  pages_.FailCall(0);
  EXPECT_EQ(Allocate(9 * kMiB), nullptr);
  EXPECT_EQ(huge_.Find(live->start), live);
  memset(live->start, 1, live->bytes);
  huge_.CheckInvariants();
}

TEST_F(PoisonedMappingsTest, EachOfManyMayMove) {
  HugeMapping* mappings[6];
  for (HugeMapping*& mapping : mappings) mapping = Allocate(9 * kMiB);
  for (HugeMapping* mapping : mappings) {
    ASSERT_TRUE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
    huge_.CheckInvariants();
    for (const HugeMapping* one : mappings) {
      EXPECT_EQ(huge_.Find(one->start + one->bytes - 1), one);
    }
  }
}

TEST_F(PoisonedMappingsTest, WhatCannotGrowStaysAsItWas) {
  HugeMapping* mapping = Allocate(9 * kMiB);
  ASSERT_NE(mapping, nullptr);
  char* start = mapping->start;
  memset(start, 7, 9 * kMiB);
  pages_.FailFrom(0);
  EXPECT_FALSE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  pages_.StopFailing();
  EXPECT_EQ(mapping->start, start);
  EXPECT_EQ(mapping->bytes, 9 * kMiB);
  EXPECT_EQ(huge_.Find(start + 9 * kMiB - 1), mapping);
  EXPECT_EQ(start[9 * kMiB - 1], 7);
  huge_.CheckInvariants();
  EXPECT_TRUE(huge_.Resize(mapping, 20 * kMiB, /*may_move=*/true));
  EXPECT_EQ(mapping->start[9 * kMiB - 1], 7);
  huge_.CheckInvariants();
}

}  // namespace
}  // namespace myonly::internal
