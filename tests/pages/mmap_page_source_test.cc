// What page_source_test does not see: the limits of the system.
#include "allocator/pages/mmap_page_source.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

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

}  // namespace
}  // namespace myonly::internal
