// What every page source must do, on the real one and on the fake.
#include "allocator/pages/page_source.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>

#include "allocator/base/sizes.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Access = PageSource::Access;

constexpr size_t kPages = 8;
constexpr size_t kBytes = kPages * kPageSize;

// The parameter: whether it is the fake.
class PageSourceTest : public ::testing::TestWithParam<bool> {
 protected:
  PageSourceTest() {
    if (!GetParam()) pages_ = &real_;
  }
  // Each test also shows that errno is nobody's business.
  void SetUp() override { errno = 77; }
  void TearDown() override { EXPECT_EQ(errno, 77); }

  char* Reserve(size_t bytes, Access access, size_t alignment = kPageSize) {
    return static_cast<char*>(pages_->Reserve(bytes, alignment, access));
  }

  MmapPageSource real_;
  FakePageSource fake_;
  PageSource* pages_ = &fake_;
};

INSTANTIATE_TEST_SUITE_P(OverPages, PageSourceTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& info) {
                           return info.param ? "Fake" : "Mmap";
                         });

// write() reads the page for us: EFAULT instead of a signal.
bool IsReadable(const char* page) {
  const int before = errno;
  int ends[2];
  if (pipe(ends) != 0) return false;
  const bool readable = write(ends[1], page, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  errno = before;
  return readable;
}

TEST_P(PageSourceTest, ReservedPagesAreUsableOnceCommitted) {
  char* start = Reserve(kBytes, Access::kNone);
  ASSERT_NE(start, nullptr);
  EXPECT_FALSE(IsReadable(start));
  ASSERT_TRUE(pages_->Commit(start, kBytes / 2));
  memset(start, 1, kBytes / 2);
  EXPECT_FALSE(IsReadable(start + kBytes / 2));
  // Once more, with what is committed already: contents stay.
  ASSERT_TRUE(pages_->Commit(start, kBytes));
  EXPECT_EQ(start[kBytes / 2 - 1], 1);
  EXPECT_EQ(start[kBytes / 2], 0);
  EXPECT_TRUE(pages_->Release(start, kBytes));
  EXPECT_FALSE(IsReadable(start));
}

TEST_P(PageSourceTest, DecommitTakesAccessAndContents) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  memset(start, 1, kBytes);
  ASSERT_TRUE(pages_->Decommit(start, kPageSize));
  EXPECT_FALSE(IsReadable(start));
  EXPECT_EQ(start[kPageSize], 1);
  ASSERT_TRUE(pages_->Commit(start, kPageSize));
  EXPECT_EQ(start[0], 0);
  EXPECT_TRUE(pages_->Release(start, kBytes));
}

TEST_P(PageSourceTest, PurgeGivesZerosAndTheMemoryBack) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  memset(start, 1, kBytes);
  ASSERT_TRUE(pages_->Purge(start, kBytes));
  unsigned char resident[kPages];
  ASSERT_EQ(mincore(start, kBytes, resident), 0);
  for (unsigned char page : resident) EXPECT_EQ(page & 1, 0);
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(start[i], 0);
  EXPECT_TRUE(pages_->Release(start, kBytes));
}

TEST_P(PageSourceTest, ReservationsAreAligned) {
  for (size_t alignment = kPageSize; alignment <= size_t{1} << 30;
       alignment *= 4) {
    char* start = Reserve(kBytes, Access::kReadWrite, alignment);
    ASSERT_NE(start, nullptr) << alignment;
    EXPECT_TRUE(IsAligned(reinterpret_cast<uintptr_t>(start), alignment));
    start[0] = start[kBytes - 1] = 1;
    EXPECT_TRUE(pages_->Release(start, kBytes));
  }
}

TEST_P(PageSourceTest, RemapKeepsContentsAndAddsZeros) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  memset(start, 1, kBytes);
  char* grown = static_cast<char*>(pages_->Remap(start, kBytes, 1000 * kBytes));
  ASSERT_NE(grown, nullptr);
  EXPECT_EQ(grown[0], 1);
  EXPECT_EQ(grown[kBytes - 1], 1);
  EXPECT_EQ(grown[kBytes], 0);
  EXPECT_EQ(grown[1000 * kBytes - 1], 0);
  EXPECT_TRUE(pages_->Release(grown, 1000 * kBytes));
}

TEST_P(PageSourceTest, APartCanBeReleased) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  EXPECT_TRUE(pages_->Release(start + kPageSize, kPageSize));
  EXPECT_TRUE(IsReadable(start));
  EXPECT_FALSE(IsReadable(start + kPageSize));
  EXPECT_TRUE(IsReadable(start + 2 * kPageSize));
  EXPECT_TRUE(pages_->Release(start, kPageSize));
  EXPECT_TRUE(pages_->Release(start + 2 * kPageSize, kBytes - 2 * kPageSize));
}

TEST_P(PageSourceTest, RemapMayShrinkInPlace) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  memset(start, 1, kBytes);
  EXPECT_EQ(pages_->Remap(start, kBytes, kPageSize), start);
  EXPECT_EQ(start[kPageSize - 1], 1);
  EXPECT_FALSE(IsReadable(start + kPageSize));
  EXPECT_TRUE(pages_->Release(start, kPageSize));
}

TEST_P(PageSourceTest, ARemapThatFailsChangesNothing) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  memset(start, 1, kBytes);
  EXPECT_EQ(pages_->Remap(start, kBytes, size_t{1} << 60), nullptr);
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(start[i], 1);
  EXPECT_TRUE(pages_->Release(start, kBytes));
}

TEST_P(PageSourceTest, OnlyTheGivenPagesArePurged) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  memset(start, 1, kBytes);
  ASSERT_TRUE(pages_->Purge(start + 2 * kPageSize, 3 * kPageSize));
  for (size_t i = 0; i < kBytes; ++i) {
    const size_t page = i / kPageSize;
    ASSERT_EQ(start[i], page >= 2 && page < 5 ? 0 : 1) << i;
  }
  start[2 * kPageSize] = 2;  // still usable
  EXPECT_TRUE(pages_->Release(start, kBytes));
}

size_t AddressSpaceBytes() {
  const int before = errno;
  size_t num_pages = 0;
  std::ifstream("/proc/self/statm") >> num_pages;
  errno = before;
  return num_pages * kPageSize;
}

TEST_P(PageSourceTest, AnAlignmentCostsNoAddressesForLong) {
  const size_t before = AddressSpaceBytes();
  ASSERT_NE(before, 0U);
  char* starts[8];
  for (size_t i = 0; i < 8; ++i) {
    starts[i] = Reserve(kBytes, Access::kReadWrite, size_t{4} << (20 + i));
  }
  EXPECT_LT(AddressSpaceBytes(), before + (size_t{1} << 20));
  for (char* start : starts) EXPECT_TRUE(pages_->Release(start, kBytes));
}

TEST_P(PageSourceTest, WhatIsNotReservedIsRefused) {
  char* start = Reserve(kBytes, Access::kReadWrite);
  ASSERT_TRUE(pages_->Release(start, kBytes));
  EXPECT_FALSE(pages_->Commit(start, kBytes));
  EXPECT_FALSE(pages_->Decommit(start, kBytes));
  EXPECT_FALSE(pages_->Purge(start, kBytes));
  EXPECT_EQ(pages_->Remap(start, kBytes, 2 * kBytes), nullptr);
}

TEST_P(PageSourceTest, WhatCannotBeHadIsRefused) {
  EXPECT_EQ(Reserve(size_t{1} << 60, Access::kNone), nullptr);
  EXPECT_EQ(Reserve(kMaxRequest, Access::kNone, size_t{1} << 40), nullptr);
  // With the slack for the alignment it would wrap round.
  const size_t most = AlignDown(SIZE_MAX, kPageSize);
  EXPECT_EQ(Reserve(most, Access::kNone, size_t{1} << 30), nullptr);
  EXPECT_FALSE(pages_->Commit(nullptr, kPageSize));
  // Not page-aligned.
  EXPECT_FALSE(pages_->Release(reinterpret_cast<void*>(1), kPageSize));
}

}  // namespace
}  // namespace myonly::internal
