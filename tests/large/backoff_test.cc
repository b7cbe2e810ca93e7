#include "allocator/large/backoff.h"

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class BackoffTest : public ::testing::Test {
 protected:
  // MiB that go by before it shall be tried again.
  size_t GoesBy() {
    size_t bytes = 0;
    while (!backoff_.ShallTry(kMiB)) bytes += kMiB;
    return bytes / kMiB;
  }
  void PayOften(uint32_t times) {
    for (uint32_t i = 0; i < times; ++i) {
      EXPECT_TRUE(backoff_.ShallTry(kMiB));
      backoff_.Note(true);
    }
  }

  Backoff backoff_;
};

TEST_F(BackoffTest, TriesAtOnceAndAsLongAsItPays) {
  EXPECT_EQ(GoesBy(), 0u);
  PayOften(100);
  EXPECT_EQ(GoesBy(), 0u);
}

TEST_F(BackoffTest, TwiceAsMuchGoesByAfterEachFailureUpToABound) {
  for (const size_t wanted : {8, 16, 32, 64, 128, 256, 256, 256}) {
    backoff_.Note(false);
    EXPECT_EQ(GoesBy(), wanted);
  }
}

// Where every second try pays they cost as if none did.
TEST_F(BackoffTest, FewSuccessesChangeNothing) {
  for (const size_t wanted : {8, 16, 32}) {
    backoff_.Note(false);
    EXPECT_EQ(GoesBy(), wanted);
    PayOften(Backoff::kOften - 1);
  }
}

TEST_F(BackoffTest, ManyInARowMakeItGoodAsNew) {
  backoff_.Note(false);
  GoesBy();
  backoff_.Note(false);
  GoesBy();
  PayOften(Backoff::kOften);
  backoff_.Note(false);
  EXPECT_EQ(GoesBy(), 8u);
}

TEST_F(BackoffTest, TheLastTryTellsUntilAFailureCountsNoMore) {
  EXPECT_TRUE(backoff_.has_paid_last());
  backoff_.Note(false);
  EXPECT_FALSE(backoff_.has_paid_last());
  backoff_.Note(true);
  EXPECT_TRUE(backoff_.has_paid_last());
  backoff_.Note(false);
  EXPECT_FALSE(backoff_.has_paid_last());
}

TEST_F(BackoffTest, AnOccasionOfMoreThanIsLeftIsTheLastOne) {
  backoff_.Note(false);
  EXPECT_FALSE(backoff_.ShallTry(100 * kMiB));
  EXPECT_TRUE(backoff_.ShallTry(1));
}

}  // namespace
}  // namespace myonly::internal
