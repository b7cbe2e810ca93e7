#include "allocator/guard/quarantine.h"

#include <algorithm>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

void* Pointer(size_t n) { return reinterpret_cast<void*>(n * 16); }

// Puts `count` blocks of `bytes` in; returns which left, in their order.
std::vector<void*> Leavers(Quarantine* quarantine, size_t count, size_t bytes) {
  std::vector<void*> left;
  for (size_t i = 1; i <= count; ++i) {
    quarantine->Put(Pointer(i), bytes);
    for (;;) {
      const Quarantine::Entry entry = quarantine->TakeSurplus();
      if (entry.ptr == nullptr) break;
      EXPECT_EQ(entry.bytes, bytes);
      left.push_back(entry.ptr);
    }
  }
  return left;
}

TEST(QuarantineTest, HoldsBlocksAndLosesNone) {
  Quarantine quarantine;
  quarantine.Seed(1);
  std::vector<void*> left = Leavers(&quarantine, 5000, 16);
  EXPECT_GE(5000 - left.size(), Quarantine::kQueuePlaces);
  EXPECT_LE(5000 - left.size(), Quarantine::kPlaces);
  for (;;) {
    const Quarantine::Entry entry = quarantine.TakeOldest();
    if (entry.ptr == nullptr) break;
    left.push_back(entry.ptr);
  }
  EXPECT_EQ(quarantine.bytes(), 0U);
  EXPECT_EQ(left.size(), 5000U);
  EXPECT_EQ(std::set<void*>(left.begin(), left.end()).size(), 5000U);
}

TEST(QuarantineTest, NoneLeavesAtOnce) {
  Quarantine quarantine;
  quarantine.Seed(7);
  for (size_t i = 1; i <= 1000; ++i) {
    quarantine.Put(Pointer(i), 16);
    EXPECT_NE(quarantine.TakeSurplus().ptr, Pointer(i));
  }
}

TEST(QuarantineTest, OrderDependsOnTheSeed) {
  Quarantine one;
  Quarantine other;
  Quarantine same;
  one.Seed(1);
  other.Seed(0x123456789);
  same.Seed(1);
  const std::vector<void*> order = Leavers(&one, 2000, 16);
  EXPECT_NE(order, Leavers(&other, 2000, 16));
  EXPECT_EQ(order, Leavers(&same, 2000, 16));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST(QuarantineTest, BytesAreBounded) {
  Quarantine quarantine;
  quarantine.Seed(1);
  const size_t bytes = Quarantine::kMaxBytes / 3;
  EXPECT_EQ(Leavers(&quarantine, 100, bytes).size(), 97U);
  EXPECT_LE(quarantine.bytes(), Quarantine::kMaxBytes);
}

}  // namespace
}  // namespace myonly::internal
