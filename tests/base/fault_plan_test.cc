// Which requests a plan fails: those that it says, whoever asks and whenever.
#include "allocator/base/fault_plan.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr uint64_t kAll = uint64_t{1} << 32;

// Which of so many requests of a size fail.
std::vector<bool> Failures(const FaultOptions& options, size_t count = 10000,
                           size_t size = 100) {
  FaultPlan plan;
  plan.Begin(options);
  std::vector<bool> failures;
  for (size_t i = 0; i < count; ++i) failures.push_back(plan.Fails(size));
  EXPECT_EQ(plan.End(), static_cast<uint64_t>(std::count(
                            failures.begin(), failures.end(), true)));
  return failures;
}

size_t Count(const FaultOptions& options, size_t count = 10000,
             size_t size = 100) {
  const std::vector<bool> failures = Failures(options, count, size);
  return static_cast<size_t>(
      std::count(failures.begin(), failures.end(), true));
}

TEST(FaultPlanTest, IsOnFromItsBeginningToItsEnd) {
  FaultPlan plan;
  EXPECT_FALSE(plan.is_on());
  plan.Begin({});
  EXPECT_TRUE(plan.is_on());
  EXPECT_EQ(plan.End(), 0U);
  EXPECT_FALSE(plan.is_on());
}

TEST(FaultPlanTest, TheNthRequestFailsAndNoOther) {
  EXPECT_EQ(Count({}), 0U);
  for (const uint64_t nth : {1, 2, 500, 10000}) {
    FaultOptions options;
    options.fail_nth = nth;
    std::vector<bool> expected(10000);
    expected[nth - 1] = true;
    EXPECT_EQ(Failures(options), expected) << nth;
  }
}

TEST(FaultPlanTest, SoManyOfTwoToTheThirtySecondFailByChance) {
  FaultOptions options;
  options.threshold = kAll;
  EXPECT_EQ(Count(options), 10000U);
  for (const uint64_t part : {2, 10, 100}) {
    options.threshold = kAll / part;
    for (options.seed = 0; options.seed < 10; ++options.seed) {
      const size_t count = Count(options, 100000);
      EXPECT_NEAR(static_cast<double>(count) * static_cast<double>(part),
                  100000, 100000 * 0.15)
          << "one of " << part << ", seed " << options.seed;
    }
  }
}

// Another seed, other failures; nor are those of a seed near those of the next.
TEST(FaultPlanTest, TheSeedAloneDecidesWhich) {
  FaultOptions options;
  options.threshold = kAll / 2;
  const std::vector<bool> first = Failures(options);
  EXPECT_EQ(Failures(options), first);
  for (options.seed = 1; options.seed < 50; ++options.seed) {
    const std::vector<bool> other = Failures(options);
    for (const size_t shift : {0, 1}) {
      size_t same = 0;
      for (size_t i = 0; i + shift < first.size(); ++i) {
        same += first[i + shift] == other[i] ? 1 : 0;
      }
      EXPECT_NEAR(static_cast<double>(same), 5000, 500) << options.seed;
    }
  }
}

TEST(FaultPlanTest, OnlyLargerRequestsCount) {
  FaultOptions options;
  options.fail_nth = 3;
  options.above_bytes = 100;
  EXPECT_EQ(Count(options, 10000, 100), 0U);
  EXPECT_EQ(Count(options, 10000, 101), 1U);
  FaultPlan plan;
  plan.Begin(options);
  for (const size_t size : {1, 101, 100, 5000, 99}) {
    EXPECT_FALSE(plan.Fails(size)) << size;
  }
  EXPECT_TRUE(plan.Fails(101));
  EXPECT_EQ(plan.End(), 1U);
}

TEST(FaultPlanTest, NoMoreFailThanItSays) {
  FaultOptions options;
  options.threshold = kAll;
  for (const uint64_t most : {1, 2, 77}) {
    options.most = most;
    std::vector<bool> expected(10000);
    std::fill_n(expected.begin(), most, true);
    EXPECT_EQ(Failures(options), expected);
  }
}

TEST(FaultPlanTest, EachBeginningCountsAnew) {
  FaultOptions options;
  options.fail_nth = 2;
  options.most = 1;
  FaultPlan plan;
  for (int round = 0; round < 3; ++round) {
    plan.Begin(options);
    EXPECT_FALSE(plan.Fails(1));
    EXPECT_TRUE(plan.Fails(1));
    EXPECT_FALSE(plan.Fails(1));
    EXPECT_EQ(plan.End(), 1U);
  }
}

TEST(FaultPlanTest, ThreadsShareItsCounts) {
  FaultOptions options;
  options.threshold = kAll;
  options.most = 5000;
  FaultPlan plan;
  plan.Begin(options);
  std::atomic<uint64_t> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&plan, &failed] {
      for (int i = 0; i < 5000; ++i) failed += plan.Fails(1) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 5000U);
  EXPECT_EQ(plan.End(), 5000U);
}

}  // namespace
}  // namespace myonly::internal
