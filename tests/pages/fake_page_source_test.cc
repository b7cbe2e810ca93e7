// The fake itself: tests of every layer believe its journal and its failures.
#include "allocator/pages/fake_page_source.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Access = PageSource::Access;
using Verb = FakePageSource::Verb;

constexpr size_t kBytes = 8 * kPageSize;

TEST(FakePageSourceTest, KeepsAJournal) {
  FakePageSource pages;
  void* start = pages.Reserve(kBytes, kPageSize, Access::kReadWrite);
  EXPECT_EQ(pages.reserved_bytes(), kBytes);
  EXPECT_TRUE(pages.Purge(start, kPageSize));
  EXPECT_TRUE(pages.Release(start, kPageSize));
  EXPECT_EQ(pages.reserved_bytes(), kBytes - kPageSize);
  ASSERT_EQ(pages.journal().size(), 3U);
  EXPECT_EQ(pages.journal()[1].verb, Verb::kPurge);
  EXPECT_EQ(pages.journal()[1].start, start);
  EXPECT_EQ(pages.journal()[1].bytes, kPageSize);
  EXPECT_EQ(pages.Count(Verb::kReserve), 1U);
}

TEST(FakePageSourceTest, FailsTheCallItIsToldTo) {
  FakePageSource pages;
  void* start = pages.Reserve(kBytes, kPageSize, Access::kNone);
  pages.FailCall(1);
  EXPECT_TRUE(pages.Commit(start, kBytes));
  EXPECT_FALSE(pages.Purge(start, kBytes));
  EXPECT_TRUE(pages.TakeFailed());
  EXPECT_FALSE(pages.TakeFailed());
  EXPECT_TRUE(pages.Purge(start, kBytes));
  pages.FailFrom(1);
  EXPECT_TRUE(pages.Purge(start, kBytes));
  EXPECT_FALSE(pages.Decommit(start, kBytes));
  EXPECT_EQ(pages.Reserve(kBytes, kPageSize, Access::kNone), nullptr);
  EXPECT_EQ(pages.Remap(start, kBytes, 2 * kBytes), nullptr);
  EXPECT_FALSE(pages.Release(start, kBytes));
  pages.StopFailing();
  EXPECT_TRUE(pages.Release(start, kBytes));
  EXPECT_EQ(pages.reserved_bytes(), 0U);
}

TEST(FakePageSourceTest, FailuresReachNoPage) {
  FakePageSource pages;
  auto* start =
      static_cast<char*>(pages.Reserve(kBytes, kPageSize, Access::kReadWrite));
  memset(start, 1, kBytes);
  pages.FailFrom(0);
  EXPECT_FALSE(pages.Purge(start, kBytes));
  EXPECT_FALSE(pages.Decommit(start, kBytes));
  EXPECT_FALSE(pages.Release(start, kBytes));
  EXPECT_EQ(pages.Remap(start, kBytes, 2 * kBytes), nullptr);
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(start[i], 1);
  EXPECT_EQ(pages.reserved_bytes(), kBytes);
  ASSERT_EQ(pages.journal().size(), 5U);
  EXPECT_TRUE(pages.journal()[0].ok);
  for (size_t i = 1; i < 5; ++i) EXPECT_FALSE(pages.journal()[i].ok);
}

TEST(FakePageSourceTest, FailsOnceUnlessToldOtherwise) {
  FakePageSource pages;
  pages.FailCall(2);
  for (int i = 0; i < 6; ++i) {
    const bool ok = pages.Reserve(kBytes, kPageSize, Access::kNone) != nullptr;
    EXPECT_EQ(ok, i != 2) << i;
    EXPECT_EQ(pages.TakeFailed(), i == 2) << i;
  }
}

TEST(FakePageSourceTest, KnowsWhatIsLeftOfAReservation) {
  FakePageSource pages;
  auto* start =
      static_cast<char*>(pages.Reserve(kBytes, kPageSize, Access::kReadWrite));
  EXPECT_TRUE(pages.Release(start + 3 * kPageSize, 2 * kPageSize));
  EXPECT_EQ(pages.reserved_bytes(), kBytes - 2 * kPageSize);
  EXPECT_TRUE(pages.Release(start, kPageSize));
  EXPECT_TRUE(pages.Release(start + 5 * kPageSize, 3 * kPageSize));
  EXPECT_EQ(pages.reserved_bytes(), 2 * kPageSize);
  void* grown = pages.Remap(start + kPageSize, 2 * kPageSize, 9 * kPageSize);
  ASSERT_NE(grown, nullptr);
  EXPECT_EQ(pages.reserved_bytes(), 9 * kPageSize);
  EXPECT_TRUE(pages.Release(grown, 9 * kPageSize));
  EXPECT_EQ(pages.reserved_bytes(), 0U);
}

TEST(FakePageSourceDeathTest, ReleasingWhatItDoesNotHoldDies) {
  FakePageSource pages;
  auto* start =
      static_cast<char*>(pages.Reserve(kBytes, kPageSize, Access::kReadWrite));
  EXPECT_TRUE(pages.Release(start, kBytes));
  EXPECT_DEATH(pages.Release(start, kBytes), "fake_page_source");
}

TEST(FakePageSourceTest, ReleasesWhatIsLeftAtItsEnd) {
  void* start;
  {
    FakePageSource pages;
    start = pages.Reserve(kBytes, kPageSize, Access::kReadWrite);
    ASSERT_NE(start, nullptr);
  }
  EXPECT_EQ(msync(start, kBytes, MS_ASYNC), -1);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(FakePageSourceTest, TellsTheLimitItWasGiven) {
  EXPECT_EQ(FakePageSource(12345).ReservationLimit(), 12345U);
}

}  // namespace
}  // namespace myonly::internal
