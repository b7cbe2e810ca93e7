// A pool in memory of the program, whose last slice is short.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

class AdoptedMemoryTest : public ::testing::Test {
 protected:
  static constexpr size_t kSlices = 10;  // and half of one
  static constexpr size_t kBytes =
      kSlices * (kSliceSize + sizeof(Slice)) + kSliceSize / 2;

  AdoptedMemoryTest() : memory_(new char[kBytes]), pool_(pages_) {
    // There is nothing else.
    pages_.FailFrom(0);
    pool_.Adopt(memory_.get(), kBytes);
  }
  ~AdoptedMemoryTest() override { pool_.CheckInvariants(); }

  // All of it can be written to.
  char* Use(const Slice* run) {
    char* start = pool_.AddressOf(run);
    EXPECT_GE(start, memory_.get());
    EXPECT_LE(start + pool_.BytesOf(run), memory_.get() + kBytes);
    memset(start, 'x', pool_.BytesOf(run));
    return start;
  }
  Slice* Allocate(size_t slices) {
    bool zeroed;
    return pool_.Allocate(slices, RunKind::kRegion, this, &zeroed);
  }

  std::unique_ptr<char[]> memory_;
  FakePageSource pages_;
  RunPool pool_;
};

TEST_F(AdoptedMemoryTest, TheEndIsForWhoCanUseAShortSlice) {
  EXPECT_EQ(Allocate(kSlices + 1), nullptr);
  Slice* end = pool_.AllocateAtEnd(2, RunKind::kRegion, this);
  ASSERT_NE(end, nullptr);
  pool_.CheckInvariants();
  const char* second = Use(end);
  EXPECT_LT(pool_.BytesOf(end), 2 * kSliceSize);
  EXPECT_GT(pool_.BytesOf(end), kSliceSize);
  EXPECT_EQ(pool_.AllocateAtEnd(1, RunKind::kRegion, this), nullptr);
  // What is before it is free.
  Slice* rest = Allocate(kSlices - 1);
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(pool_.BytesOf(rest), (kSlices - 1) * kSliceSize);
  EXPECT_EQ(Use(rest) + pool_.BytesOf(rest), second);
  EXPECT_EQ(Allocate(1), nullptr);
  pool_.Free(end);
  pool_.Free(rest);
  EXPECT_EQ(pool_.live_bytes(), 0U);
}

TEST_F(AdoptedMemoryTest, AllOfItMayBeOneRun) {
  for (int round = 0; round < 3; ++round) {
    Slice* all = pool_.AllocateAtEnd(kSlices + 1, RunKind::kRegion, this);
    ASSERT_NE(all, nullptr);
    Use(all);
    EXPECT_GE(pool_.BytesOf(all), kSlices * kSliceSize + kSliceSize / 4);
    EXPECT_EQ(Allocate(1), nullptr);
    pool_.CheckInvariants();
    pool_.Free(all);
  }
}

// The short slice is in the only run of that size: a larger one is cut.
TEST_F(AdoptedMemoryTest, WhatIsShortServesNoWholeRun) {
  Slice* first = Allocate(6);
  Slice* fence = Allocate(1);
  ASSERT_NE(fence, nullptr);
  pool_.Free(first);
  Slice* run = Allocate(4);
  EXPECT_EQ(run, first);
  Use(run);
  // Of the end all but the short one.
  pool_.Free(run);
  ASSERT_EQ(Allocate(6), first);
  run = Allocate(3);
  ASSERT_NE(run, nullptr);
  Use(run);
  EXPECT_FALSE(pool_.Extend(run, 4));
  EXPECT_EQ(Allocate(1), nullptr);
  EXPECT_EQ(pool_.BytesOf(run), 3 * kSliceSize);
}

// By bytes: all that are given, and what of them is used.
TEST_F(AdoptedMemoryTest, EachByteThatCanBeUsedIs) {
  alignas(sizeof(Slice)) static char memory[3 * kSliceSize];
  const auto bytes_of = [this](size_t offset, size_t bytes) {
    memset(memory, 0xa5, sizeof(memory));  // it is not zero
    RunPool pool(pages_);
    pool.Adopt(memory + offset, bytes);
    size_t slices = 0;
    while (pool.SliceAt(0, slices) != nullptr) ++slices;
    pool.CheckInvariants();
    return slices * kSliceSize - pool.missing_bytes();
  };
  constexpr size_t kWhole = kSliceSize + sizeof(Slice);
  constexpr size_t kLeast = 1024 + sizeof(Slice);
  EXPECT_EQ(bytes_of(0, 0), 0U);
  EXPECT_EQ(bytes_of(0, kLeast - 1), 0U);
  EXPECT_EQ(bytes_of(0, kLeast), 1024U);
  EXPECT_EQ(bytes_of(0, kWhole - 1), kSliceSize - sizeof(Slice));
  EXPECT_EQ(bytes_of(0, kWhole), kSliceSize);
  EXPECT_EQ(bytes_of(0, kWhole + kLeast - 1), kSliceSize);
  EXPECT_EQ(bytes_of(0, kWhole + kLeast), kSliceSize + 1024);
  // Where it begins oddly the beginning is lost.
  EXPECT_EQ(bytes_of(16, sizeof(Slice) - 17), 0U);
  EXPECT_EQ(bytes_of(16, sizeof(Slice) - 16 + kLeast), 1024U);
  EXPECT_EQ(bytes_of(16, kWhole), kSliceSize - sizeof(Slice));
}

TEST_F(AdoptedMemoryTest, TellsHowManySlicesOfTheEndSuffice) {
  const size_t half = kSliceSize - pool_.missing_bytes();
  ASSERT_GT(half, kSliceSize / 4);
  EXPECT_EQ(pool_.SlicesAtEndFor(1), 1U);
  EXPECT_EQ(pool_.SlicesAtEndFor(half), 1U);
  EXPECT_EQ(pool_.SlicesAtEndFor(half + 1), 2U);
  EXPECT_EQ(pool_.SlicesAtEndFor(half + kSlices * kSliceSize), kSlices + 1);
  EXPECT_EQ(pool_.SlicesAtEndFor(half + kSlices * kSliceSize + 1), 0U);
  RunPool other(pages_);
  EXPECT_EQ(other.SlicesAtEndFor(1), 0U);
  EXPECT_EQ(other.BytesIfFew(), 0U);
  EXPECT_EQ(other.slice_alignment(), kSliceSize);
  EXPECT_EQ(pool_.slice_alignment(), alignof(Slice));
}

TEST_F(AdoptedMemoryTest, WhatIsBeforeTheEndStaysFree) {
  Slice* end = pool_.AllocateAtEnd(3, RunKind::kRegion, this);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->owner, this);
  EXPECT_EQ(pool_.dirty_bytes(), (kSlices - 2) * kSliceSize);
  EXPECT_EQ(pool_.live_bytes(), 3 * kSliceSize);
  pool_.CheckInvariants();
  pool_.Free(end);
  Slice* first = Allocate(kSlices - 1);
  EXPECT_EQ(pool_.AllocateAtEnd(3, RunKind::kRegion, this), nullptr);
  EXPECT_NE(pool_.AllocateAtEnd(2, RunKind::kRegion, this), nullptr);
  pool_.CheckInvariants();
  EXPECT_NE(first, nullptr);
}

TEST_F(AdoptedMemoryTest, FourSlicesAreFewAndFiveAreNot) {
  for (size_t slices : {1, 3, 4}) {  // and half of one
    const size_t bytes = slices * (kSliceSize + sizeof(Slice)) + kSliceSize / 2;
    const std::unique_ptr<char[]> memory(new char[bytes]);
    RunPool pool(pages_);
    pool.Adopt(memory.get(), bytes);
    if (slices == 4) {
      EXPECT_EQ(pool.BytesIfFew(), 0U);
    } else {
      EXPECT_GT(pool.BytesIfFew(), slices * kSliceSize + kSliceSize / 4);
      EXPECT_LT(pool.BytesIfFew(), bytes);
    }
  }
}

}  // namespace
}  // namespace myonly::internal
