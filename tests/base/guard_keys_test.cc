// The secrets of the secure preset: made once, and each another number.
#include "allocator/base/guard_keys.h"

#include <cstdint>
#include <set>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

std::set<uint64_t> Numbers() {
  return {guard_keys.link,   guard_keys.factor,  guard_keys.place,
          guard_keys.length, guard_keys.pattern, guard_keys.order};
}

TEST(GuardKeysTest, AreMadeOnceAndAllDiffer) {
  EXPECT_FALSE(guard_keys.are_made);
  MakeGuardKeys();
  EXPECT_TRUE(guard_keys.are_made);
  const std::set<uint64_t> made = Numbers();
  EXPECT_EQ(made.size(), 6U);
  // Factors, of which an even one would lose a bit.
  EXPECT_EQ(guard_keys.factor % 2, 1U);
  EXPECT_EQ(guard_keys.length % 2, 1U);
  // What is free is known by them: they must stay.
  MakeGuardKeys();
  EXPECT_EQ(Numbers(), made);
}

TEST(GuardKeysTest, StringsDoNotEndWithinThePattern) {
  MakeGuardKeys();
  for (int shift = 0; shift < 64; shift += 8) {
    EXPECT_NE(guard_keys.pattern >> shift & 0x80, 0U);
  }
}

}  // namespace
}  // namespace myonly::internal
