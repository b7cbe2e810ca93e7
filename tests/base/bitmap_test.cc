#include "allocator/base/bitmap.h"

#include <cstddef>
#include <set>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kSize = 136;  // more than two words, the last one not full

TEST(BitmapTest, AnEmptyOneHasNoMember) {
  const Bitmap<kSize> bitmap;
  for (size_t i = 0; i <= kSize; ++i) EXPECT_EQ(bitmap.FindNext(i), kSize);
}

TEST(BitmapTest, FindsEachMemberFromEachPlace) {
  for (size_t member = 0; member < kSize; ++member) {
    Bitmap<kSize> bitmap;
    bitmap.Set(member);
    for (size_t i = 0; i <= kSize; ++i) {
      EXPECT_EQ(bitmap.Test(i % kSize), i % kSize == member);
      EXPECT_EQ(bitmap.FindNext(i), i <= member ? member : kSize) << i;
    }
    bitmap.Clear(member);
    EXPECT_EQ(bitmap.FindNext(0), kSize);
  }
}

TEST(BitmapTest, AgreesWithASet) {
  Bitmap<kSize> bitmap;
  std::set<size_t> model;
  unsigned random = 1;
  for (int round = 0; round < 20000; ++round) {
    random = random * 1664525 + 1013904223;
    const size_t i = (random >> 8) % kSize;
    if ((random >> 30) < 2) {
      bitmap.Set(i);
      model.insert(i);
    } else {
      bitmap.Clear(i);
      model.erase(i);
    }
    const size_t from = (random >> 16) % (kSize + 1);
    const auto next = model.lower_bound(from);
    ASSERT_EQ(bitmap.FindNext(from), next == model.end() ? kSize : *next);
  }
}

}  // namespace
}  // namespace myonly::internal
