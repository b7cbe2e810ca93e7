// The way from an address to its descriptor: over a made-up reservation, so
// that nothing but arithmetic can help.
#include "allocator/pages/slice.h"

#include <cstddef>
#include <cstdint>
#include <memory>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kSlices = 16;
constexpr size_t kCommitted = 10;

class ReservationTest : public ::testing::Test {
 protected:
  // Descriptors need memory, slices only addresses.
  ReservationTest() : descriptors_(new Slice[kSlices]()) {
    reservation_.Set(base(), kSlices);
    reservation_.set_committed_slices(kCommitted);
  }
  char* base() const {
    return reinterpret_cast<char*>(descriptors_.get() + kSlices);
  }

  std::unique_ptr<Slice[]> descriptors_;
  Reservation reservation_;
};

TEST_F(ReservationTest, EachAddressHasTheDescriptorOfItsSlice) {
  for (size_t i = 0; i < kCommitted; ++i) {
    for (size_t offset :
         {size_t{0}, size_t{1}, kSliceSize / 2, kSliceSize - 1}) {
      const Slice* slice = reservation_.Find(base() + i * kSliceSize + offset);
      ASSERT_EQ(slice, reservation_.At(i));
    }
    EXPECT_EQ(reservation_.IndexOf(reservation_.At(i)), i);
    EXPECT_EQ(reservation_.AddressOf(reservation_.At(i)),
              base() + i * kSliceSize);
  }
  EXPECT_EQ(reservation_.At(0), descriptors_.get() + kSlices - 1);
}

TEST_F(ReservationTest, NoOtherAddressHasOne) {
  int local = 0;
  static int global = 0;
  const uintptr_t start = reinterpret_cast<uintptr_t>(base());
  for (uintptr_t address :
       {uintptr_t{0}, uintptr_t{1}, start - 1, start + kCommitted * kSliceSize,
        start + kSlices * kSliceSize, reinterpret_cast<uintptr_t>(&local),
        reinterpret_cast<uintptr_t>(&global), uintptr_t{1} << 63, ~uintptr_t{0},
        uintptr_t{1} << 47}) {
    EXPECT_EQ(reservation_.Find(reinterpret_cast<void*>(address)), nullptr)
        << address;
  }
}

TEST_F(ReservationTest, AnUnusedOneHasNothing) {
  const Reservation unused;
  EXPECT_EQ(unused.Find(nullptr), nullptr);
  EXPECT_EQ(unused.Find(&unused), nullptr);
  EXPECT_EQ(unused.Find(reinterpret_cast<void*>(~uintptr_t{0})), nullptr);
  reservation_.Set(nullptr, 0);
  EXPECT_EQ(reservation_.Find(base()), nullptr);
}

// The last slice that there may be, and the one that is added next.
TEST_F(ReservationTest, WhatIsCommittedLaterIsFound) {
  for (size_t slices = 1; slices <= kSlices; ++slices) {
    reservation_.set_committed_slices(slices);
    EXPECT_EQ(reservation_.committed_slices(), slices);
    for (size_t i = 0; i < kSlices; ++i) {
      EXPECT_EQ(reservation_.Find(base() + i * kSliceSize),
                i < slices ? reservation_.At(i) : nullptr);
    }
  }
  EXPECT_EQ(reservation_.slices(), kSlices);
  reservation_.Set(base(), kSlices);
  EXPECT_EQ(reservation_.committed_slices(), 0U);
  EXPECT_EQ(reservation_.Find(base() + kSliceSize), nullptr);
}

// --- Who has a slice. ---

TEST(HolderTest, IsWhoeverTheSliceNamesAndNobodyWithoutAnOwner) {
  int owner = 0;
  Slice slice = {};
  for (const RunKind kind : {RunKind::kRegion, RunKind::kSubHeapRegion,
                             RunKind::kSlab, RunKind::kLarge, RunKind::kBusy}) {
    slice.kind.Publish(kind);
    slice.owner = &owner;
    EXPECT_EQ(HolderOf(&slice).kind, kind);
    EXPECT_EQ(HolderOf(&slice).owner, &owner);
    EXPECT_EQ(HolderOf(&slice).is_share(),
              kind == RunKind::kSlab || kind == RunKind::kSubHeapRegion);
    slice.owner = nullptr;
    EXPECT_EQ(HolderOf(&slice).kind, RunKind::kFree);
    EXPECT_FALSE(HolderOf(&slice).is_share());
  }
}

// --- The link of a free object, as the secure preset looks at it. ---

TEST(ObjectLinkRuleTest, LeadsToAnObjectOfItsSliceOrToNone) {
  constexpr uintptr_t kSlice = 5 * kSliceSize;
  for (const uintptr_t place :
       {kSlice + 8, kSlice + 4096 + 8, kSlice + kSliceSize - 8}) {
    const auto is_good = [place](uintptr_t address) {
      return ObjectLinkRule::IsGood(reinterpret_cast<void*>(place), address);
    };
    EXPECT_TRUE(is_good(0));
    EXPECT_TRUE(is_good(ObjectLinkRule::kListEnd));
    for (uintptr_t at = 0; at < kSliceSize; at += kMinAlignment) {
      EXPECT_TRUE(is_good(kSlice + at));
      EXPECT_FALSE(is_good(kSlice + at + 8));
      EXPECT_FALSE(is_good(kSlice + at + 1));
      EXPECT_FALSE(is_good(kSlice - kSliceSize + at));
      EXPECT_FALSE(is_good(kSlice + kSliceSize + at));
    }
    EXPECT_FALSE(is_good(kSlice | uintptr_t{1} << 63));
    EXPECT_FALSE(is_good(16));
  }
  EXPECT_EQ(ObjectLinkRule::ObjectAt(reinterpret_cast<void*>(kSlice + 8)),
            kSlice);
}

}  // namespace
}  // namespace myonly::internal
