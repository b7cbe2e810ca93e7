// What page_source_test does not see: the limits of the system.
#include "allocator/pages/mmap_page_source.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// In a child: the limit can't be taken back.
void LimitAddresses() {
  const rlimit limit = {size_t{1} << 30, size_t{1} << 30};
  setrlimit(RLIMIT_AS, &limit);
  const bool ok = MmapPageSource().ReservationLimit() == (size_t{1} << 30) / 16;
  _exit(ok ? 0 : 1);
}

TEST(MmapPageSourceTest, AReservationTakesAPartOfALimit) {
  EXPECT_EXIT(LimitAddresses(), ::testing::ExitedWithCode(0), "");
  rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) {
    EXPECT_EQ(MmapPageSource().ReservationLimit(),
              MmapPageSource::kMaxReservation);
  }
}

// madvise refuses locked pages; the caller must learn that they are not zero.
TEST(MmapPageSourceTest, LockedPagesAreNotPurged) {
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kPageSize, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  memset(start, 1, kPageSize);
  // Not mlock, which does nothing under a sanitizer.
  if (syscall(SYS_mlock, start, kPageSize) != 0) {
    GTEST_SKIP() << "no page may be locked";
  }
  errno = 77;
  EXPECT_FALSE(pages.Purge(start, kPageSize));
  EXPECT_EQ(errno, 77);
  for (size_t i = 0; i < kPageSize; ++i) ASSERT_EQ(start[i], 1);
  EXPECT_TRUE(pages.Release(start, kPageSize));
}

size_t ResidentPages(char* start, size_t bytes) {
  std::vector<unsigned char> pages(bytes / kPageSize);
  EXPECT_EQ(mincore(start, bytes, pages.data()), 0);
  size_t resident = 0;
  for (const unsigned char page : pages) resident += page & 1;
  return resident;
}

TEST(MmapPageSourceTest, PopulatedPagesAreResident) {
  constexpr size_t kBytes = 16 * kPageSize;
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(ResidentPages(start, kBytes), 0U);
  errno = 77;
  pages.Populate(start, kBytes / 2);
  EXPECT_EQ(errno, 77);
  const size_t resident = ResidentPages(start, kBytes);
  EXPECT_TRUE(pages.Release(start, kBytes));
  if (resident == 0) GTEST_SKIP() << "a system before Linux 5.14";
  EXPECT_EQ(resident, 8U);
}

TEST(MmapPageSourceTest, WhatMovesStaysWhereItWasInItsPageTable) {
  constexpr size_t kTable = size_t{2} << 20;
  MmapPageSource pages;
  for (const size_t offset : {size_t{0}, 3 * kPageSize}) {
    char* both = static_cast<char*>(
        pages.Reserve(4 * kTable, kTable, PageSource::Access::kReadWrite));
    ASSERT_NE(both, nullptr);
    // Its neighbour is in its way.
    char* start = both + offset;
    start[2 * kTable - 1] = 7;
    char* moved =
        static_cast<char*>(pages.Remap(start, 2 * kTable, 3 * kTable));
    ASSERT_NE(moved, nullptr);
    EXPECT_NE(moved, start);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(moved) % kTable, offset);
    EXPECT_EQ(moved[2 * kTable - 1], 7);
    moved[3 * kTable - 1] = 8;
    EXPECT_TRUE(pages.Release(moved, 3 * kTable));
    EXPECT_TRUE(pages.Release(both + offset + 2 * kTable, 2 * kTable - offset));
    if (offset != 0) {
      EXPECT_TRUE(pages.Release(both, offset));
    }
  }
}

}  // namespace
}  // namespace myonly::internal
