#include "tools/bench/statistics.h"

#include <gtest/gtest.h>

namespace myonly::bench {
namespace {

TEST(StatisticsTest, MedianIsTheMiddleOrBetweenTheTwo) {
  EXPECT_DOUBLE_EQ(Quantile({3, 1, 2}, 0.5), 2);
  EXPECT_DOUBLE_EQ(Quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(Quantile({7}, 0.5), 7);
}

TEST(StatisticsTest, QuartilesLieOnTheLineBetweenNeighbours) {
  EXPECT_DOUBLE_EQ(Quantile({5, 4, 3, 2, 1}, 0.25), 2);
  EXPECT_DOUBLE_EQ(Quantile({5, 4, 3, 2, 1}, 0.75), 4);
  EXPECT_DOUBLE_EQ(Quantile({1, 2, 3, 4}, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(Quantile({1, 2, 3, 4}, 0.75), 3.25);
}

TEST(StatisticsTest, EndsAreTheSmallestAndTheLargest) {
  EXPECT_DOUBLE_EQ(Quantile({2, 9, 4}, 0), 2);
  EXPECT_DOUBLE_EQ(Quantile({2, 9, 4}, 1), 9);
  EXPECT_DOUBLE_EQ(Quantile({}, 0.5), 0);
}

TEST(StatisticsTest, GeometricMeanIsOfProducts) {
  EXPECT_DOUBLE_EQ(GeometricMean({2, 8}), 4);
  EXPECT_DOUBLE_EQ(GeometricMean({0.5, 2}), 1);
  EXPECT_DOUBLE_EQ(GeometricMean({3}), 3);
}

TEST(StatisticsTest, GeometricMeanOfNothingOrZeroIsNone) {
  EXPECT_EQ(GeometricMean({}), 0);
  EXPECT_EQ(GeometricMean({1, 0}), 0);
  EXPECT_EQ(GeometricMean({1, -2}), 0);
}

}  // namespace
}  // namespace myonly::bench
