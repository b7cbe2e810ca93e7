// More than one reservation: where they begin and end, and which go back.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/look.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using Verb = FakePageSource::Verb;

constexpr size_t kMiB = size_t{1} << 20;

// Where the system allows reservations of 64 slices.
class SmallReservationsTest : public ::testing::Test {
 protected:
  Slice* Allocate(size_t slices) {
    bool zeroed;
    return pool_.Allocate(slices, RunKind::kLarge, this, &zeroed);
  }

  FakePageSource pages_{2 * kMiB};
  RunPool pool_{pages_};
};

TEST_F(SmallReservationsTest, AReservationIsUsedToItsLastSlice) {
  ASSERT_NE(Allocate(64), nullptr);
  EXPECT_EQ(pool_.SlicesIn(0), 64U);
  EXPECT_EQ(pool_.SlicesIn(1), 0U);
  // There are no more of them than that.
  for (size_t i = 1; i < RunPool::kMaxReservations; ++i) {
    Slice* run = Allocate(64);
    ASSERT_NE(run, nullptr) << i;
    EXPECT_EQ(pool_.SliceAt(i, 63), run - 63);
    EXPECT_EQ(pool_.SliceAt(i, 64), nullptr);
    EXPECT_EQ(pool_.FindRun(pool_.Find(pool_.AddressOf(run))), run);
  }
  EXPECT_EQ(Allocate(1), nullptr);
  EXPECT_EQ(pool_.SliceAt(RunPool::kMaxReservations, 0), nullptr);
  pool_.CheckInvariants();
}

TEST_F(SmallReservationsTest, ReservationsThatAreFreeAreGivenBack) {
  Slice* runs[5];
  void* starts[5];
  for (size_t i = 0; i < 5; ++i) {
    runs[i] = Allocate(64);
    ASSERT_NE(runs[i], nullptr);
    starts[i] = pool_.AddressOf(runs[i]);
  }
  const size_t reserved = pages_.reserved_bytes();
  EXPECT_FALSE(pool_.ReleaseReservations(true));
  pool_.Free(runs[0]);  // the first one stays
  pool_.Free(runs[1]);
  pool_.Shrink(runs[2], 10);
  runs[3]->kind = RunKind::kBusy;
  pool_.FreeAndKeep(runs[3]);
  {
    const Look look;
    EXPECT_FALSE(pool_.ReleaseReservations(true));
    EXPECT_EQ(pool_.Find(starts[1]), runs[1]);
    pool_.CheckInvariants();
  }
  EXPECT_TRUE(pool_.ReleaseReservations(true));
  EXPECT_FALSE(pool_.ReleaseReservations(true));
  EXPECT_TRUE(pool_.has_more_reservations());
  pool_.CheckInvariants();
  EXPECT_LE(pages_.reserved_bytes(), reserved - 2 * 2 * kMiB);
  EXPECT_EQ(pool_.Find(starts[0]), runs[0]);
  EXPECT_EQ(pool_.Find(starts[1]), nullptr);
  EXPECT_EQ(pool_.Find(starts[2]), runs[2]);
  EXPECT_EQ(pool_.Find(starts[3]), nullptr);
  EXPECT_EQ(pool_.Find(starts[4]), runs[4]);
  EXPECT_EQ(pool_.SlicesIn(1), 0U);
  // Their places are used again.
  ASSERT_NE(Allocate(64), nullptr);  // in the first
  Slice* again = Allocate(64);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(pool_.SliceAt(1, 0), again);
  again = Allocate(64);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(pool_.SliceAt(3, 0), again);
  EXPECT_LE(pages_.reserved_bytes(), reserved);
  pool_.CheckInvariants();
}

// A run that is larger than each of what is free.
TEST_F(SmallReservationsTest, FreeReservationsMakeRoomForOthers) {
  std::vector<Slice*> runs;
  for (size_t i = 0; i < RunPool::kMaxReservations; ++i) {
    runs.push_back(Allocate(64));
    ASSERT_NE(runs.back(), nullptr);
  }
  EXPECT_EQ(Allocate(128), nullptr);
  for (size_t i = 20; i < runs.size(); ++i) pool_.Free(runs[i]);
  Slice* large = Allocate(128);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(pool_.FindRun(pool_.Find(pool_.AddressOf(large) + 5 * kMiB / 2)),
            large);
  pool_.CheckInvariants();
  // Again and again, and no addresses are lost.
  const size_t reserved = pages_.reserved_bytes();
  for (int i = 0; i < 100; ++i) {
    pool_.Free(large);
    EXPECT_TRUE(pool_.ReleaseReservations(true));
    large = Allocate(128);
    ASSERT_NE(large, nullptr);
  }
  EXPECT_EQ(pages_.reserved_bytes(), reserved);
}

// What was released may be others' by now.
TEST(RunPoolReservationsTest, NoAddressIsReleasedTwice) {
  FakePageSource pages(128 * kMiB);
  RunPool pool(pages);
  bool zeroed;
  std::vector<Slice*> runs;
  while (pool.SlicesIn(1) == 0) {
    runs.push_back(pool.Allocate(64, RunKind::kLarge, &pool, &zeroed));
    ASSERT_NE(runs.back(), nullptr);
  }
  // Less is committed of the second one than is reserved.
  pages.set_reservation_limit(kMiB);
  EXPECT_TRUE(pool.FollowLimit());
  for (Slice* run : runs) pool.Free(run);
  EXPECT_TRUE(pool.has_more_reservations());
  EXPECT_TRUE(pool.ReleaseReservations(true));
  EXPECT_FALSE(pool.has_more_reservations());
  size_t held = 0;
  for (const FakePageSource::Call& call : pages.journal()) {
    if (!call.ok) continue;
    if (call.verb == Verb::kReserve) held += call.bytes;
    if (call.verb == Verb::kRelease) held -= call.bytes;
  }
  EXPECT_EQ(held, pages.reserved_bytes());
  pool.CheckInvariants();
}

TEST(RunPoolReservationsTest, LargeReservationsBeginWhereHugePagesDo) {
  for (const size_t slices : {1023, 1024}) {
    FakePageSource pages(slices * (kSliceSize + sizeof(Slice)));
    RunPool pool(pages);
    bool zeroed;
    const Slice* run = pool.Allocate(1, RunKind::kLarge, &pool, &zeroed);
    ASSERT_NE(run, nullptr);
    const auto start = reinterpret_cast<uintptr_t>(pool.AddressOf(run));
    if (kIsSecure) continue;  // other things are reserved, too
    const FakePageSource::Call& reserve = pages.journal().front();
    const size_t slack = reserve.bytes - slices * kSliceSize -
                         AlignUp(slices * sizeof(Slice), kPageSize);
    if (slices == 1024) {
      EXPECT_TRUE(IsAligned(start, 2 * kMiB));
      EXPECT_EQ(slack, 2 * kMiB);
    } else {
      EXPECT_TRUE(IsAligned(start, kSliceSize));
      EXPECT_EQ(slack, kSliceSize);
    }
  }
}

TEST(RunPoolReservationsTest, HalfAsMuchIsReservedUntilThatCanBeHad) {
  if (kIsSecure) GTEST_SKIP() << "other things are reserved, too";
  FakePageSource pages(64 * (kSliceSize + sizeof(Slice)) * 16);
  RunPool pool(pages);
  bool zeroed;
  pages.FailFrom(0);
  EXPECT_EQ(pool.Allocate(1, RunKind::kLarge, &pool, &zeroed), nullptr);
  EXPECT_EQ(pages.Count(Verb::kReserve), 5U);  // of 1024 slices to 64
  EXPECT_EQ(pages.journal().size(), 5U);
  EXPECT_GE(pages.journal().back().bytes, 64 * kSliceSize);
  EXPECT_LT(pages.journal().back().bytes, 67 * kSliceSize);
  pages.StopFailing();
  pages.FailCall(0);
  EXPECT_NE(pool.Allocate(1, RunKind::kLarge, &pool, &zeroed), nullptr);
  EXPECT_EQ(pages.Count(Verb::kReserve), 7U);
  EXPECT_GT(pages.reserved_bytes(), 512 * kSliceSize);
  EXPECT_LT(pages.reserved_bytes(), 530 * kSliceSize);
}

}  // namespace
}  // namespace myonly::internal
