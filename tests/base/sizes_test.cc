#include "allocator/base/sizes.h"

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(SizesTest, PowersOfTwo) {
  EXPECT_FALSE(IsPowerOfTwo(0));
  for (int shift = 0; shift < 64; ++shift) {
    const size_t power = size_t{1} << shift;
    EXPECT_TRUE(IsPowerOfTwo(power));
    if (shift > 1) {
      EXPECT_FALSE(IsPowerOfTwo(power - 1));
      EXPECT_FALSE(IsPowerOfTwo(power + 1));
    }
  }
}

TEST(SizesTest, RoundingGoesToTheNearestMultiple) {
  for (size_t alignment : {size_t{1}, size_t{16}, size_t{4096}}) {
    for (size_t n = 0; n < 3 * alignment; ++n) {
      const size_t up = AlignUp(n, alignment);
      const size_t down = AlignDown(n, alignment);
      EXPECT_TRUE(IsAligned(up, alignment) && IsAligned(down, alignment));
      EXPECT_TRUE(up >= n && up - n < alignment);
      EXPECT_TRUE(down <= n && n - down < alignment);
      EXPECT_EQ(IsAligned(n, alignment), n % alignment == 0);
    }
  }
}

TEST(SizesTest, NoRequestIsLargerThanADifferenceOfPointers) {
  EXPECT_EQ(kMaxRequest, size_t{PTRDIFF_MAX});
  EXPECT_EQ(Max(3, 5), 5U);
  EXPECT_EQ(Min(3, 5), 3U);
}

}  // namespace
}  // namespace myonly::internal
