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
