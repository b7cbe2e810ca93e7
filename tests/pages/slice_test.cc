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

}  // namespace
}  // namespace myonly::internal
