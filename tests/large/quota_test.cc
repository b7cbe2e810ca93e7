#include "allocator/large/quota.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// The second one is a child of the first.
void OpenTree(Quota* parent, Quota* child) {
  parent->Open({});
  QuotaOptions below;
  below.parent = parent;
  child->Open(below);
}

TEST(QuotaTest, HoldsWhatItMayAndNoByteMore) {
  Quota quota;
  EXPECT_TRUE(quota.Charge(size_t{1} << 50));  // there is no limit
  quota.Return(size_t{1} << 50);
  quota.set_limit_bytes(1000);
  EXPECT_TRUE(quota.Charge(1000));
  EXPECT_FALSE(quota.Charge(1));
  EXPECT_TRUE(quota.Charge(0));
  quota.Return(1);
  EXPECT_FALSE(quota.Charge(2));
  EXPECT_FALSE(quota.Charge(SIZE_MAX));
  EXPECT_TRUE(quota.Charge(1));
  // Below what is held: nothing more, until that has fallen.
  quota.set_limit_bytes(500);
  quota.Return(400);
  EXPECT_FALSE(quota.Charge(1));
  quota.Return(200);
  EXPECT_TRUE(quota.Charge(100));
  EXPECT_EQ(quota.charged_bytes(), 500U);
}

TEST(QuotaTest, WhatItHoldsItselfAndWithItsChildren) {
  size_t charged = 1;
  Quota parent;
  EXPECT_TRUE(parent.Charge(70));  // never opened: both are one count
  EXPECT_EQ(parent.own_bytes(&charged), 70U);
  EXPECT_EQ(charged, 70U);
  parent.Open({});
  QuotaOptions below;
  below.parent = &parent;
  Quota child;
  child.Open(below);
  EXPECT_TRUE(child.Charge(30));
  EXPECT_EQ(parent.own_bytes(&charged), 70U);
  EXPECT_EQ(charged, 100U);
  EXPECT_EQ(child.own_bytes(&charged), 30U);
  EXPECT_EQ(charged, 30U);
}

// What it had before it had a limit counts, too.
TEST(QuotaTest, ALimitCountsWhatIsHeldAlready) {
  Quota quota;
  EXPECT_TRUE(quota.Charge(700));
  quota.set_limit_bytes(1000);
  size_t charged = 0;
  EXPECT_EQ(quota.own_bytes(&charged), 700U);
  EXPECT_EQ(charged, 700U);
  EXPECT_FALSE(quota.Charge(301));
  EXPECT_TRUE(quota.Charge(300));
  quota.Return(1000);
  EXPECT_EQ(quota.own_bytes(&charged), 0U);
}

TEST(QuotaTest, WhatCouldBeSparedLeavesHalfOfWhatIsLeft) {
  Quota free;
  EXPECT_TRUE(free.HasSpare(SIZE_MAX));
  EXPECT_TRUE(free.ChargeSpare(1000));
  EXPECT_EQ(free.charged_bytes(), 1000U);

  Quota parent;
  Quota child;
  OpenTree(&parent, &child);
  EXPECT_TRUE(child.ChargeSpare(40));
  EXPECT_EQ(parent.charged_bytes(), 40U);
  for (Quota* limited : {&child, &parent}) {
    limited->set_limit_bytes(140);
    EXPECT_FALSE(child.HasSpare(51));
    EXPECT_FALSE(child.ChargeSpare(51));
    EXPECT_TRUE(child.HasSpare(50));
    EXPECT_EQ(parent.charged_bytes(), 40U);
    limited->set_limit_bytes(0);
  }
  parent.set_limit_bytes(140);
  EXPECT_TRUE(child.ChargeSpare(50));
  EXPECT_EQ(parent.charged_bytes(), 90U);
  EXPECT_EQ(child.own_bytes(), 90U);
  EXPECT_EQ(child.refusals() + parent.refusals(), 0U);

  QuotaOptions to_the_byte;
  to_the_byte.counts_blocks = true;
  Quota blocks;
  blocks.Open(to_the_byte);
  EXPECT_FALSE(blocks.HasSpare(1));
  EXPECT_FALSE(blocks.ChargeSpare(1));
}

// Nobody is told for the sake of what is only handy.
TEST(QuotaTest, WhatCouldBeSparedPassesNoSoftLimit) {
  Quota::Extras extras = {};
  Quota quota;
  quota.set_extras(&extras);
  QuotaOptions options;
  options.soft_limit_bytes = 100;
  options.on_pressure = [](void*, myonly_arena*, int32_t) {};
  quota.Open(options);
  EXPECT_FALSE(quota.ChargeSpare(101));
  EXPECT_EQ(quota.charged_bytes(), 0U);
  EXPECT_TRUE(quota.ChargeSpare(100));
}

// Also one that has what is needed to tell: for a reserve, or as whoever had
// its place before needed it.
TEST(QuotaTest, WithNobodyToTellThereIsNoSoftLimit) {
  Quota::Extras extras = {};
  for (const bool has_extras : {false, true}) {
    Quota quota;
    if (has_extras) quota.set_extras(&extras);
    QuotaOptions options;
    options.soft_limit_bytes = 100;
    quota.Open(options);
    EXPECT_EQ(quota.soft_limit_bytes(), 0U);
    quota.set_soft_limit_bytes(100);
    EXPECT_EQ(quota.soft_limit_bytes(), 0U);
    EXPECT_TRUE(quota.ChargeSpare(101));
    EXPECT_TRUE(quota.BeginClose());
  }
}

TEST(QuotaTest, WhatItsOwnerDropsIsReturnedAtOnce) {
  Quota plain;
  EXPECT_TRUE(plain.Charge(700));
  plain.BeginDrop();
  plain.Return(300);
  plain.EndDrop();
  EXPECT_EQ(plain.charged_bytes(), 0U);

  Quota parent;
  Quota child;
  OpenTree(&parent, &child);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(parent.Charge(50));
    EXPECT_TRUE(child.Charge(700));
    child.BeginDrop();
    child.Return(300);
    EXPECT_EQ(child.charged_bytes(), 700U);
    child.EndDrop();
    EXPECT_EQ(child.charged_bytes(), 0U);
    EXPECT_EQ(child.own_bytes(), 0U);
    EXPECT_EQ(parent.charged_bytes(), 50U);
    parent.Return(50);
    // And as ever from then on.
    EXPECT_TRUE(child.Charge(10));
    child.Return(10);
    EXPECT_EQ(parent.charged_bytes(), 0U);
  }
}

// Whoever had it above may be gone.
TEST(QuotaTest, AClosedOneHasNoParent) {
  Quota parent;
  Quota child;
  OpenTree(&parent, &child);
  EXPECT_FALSE(parent.BeginClose());
  ASSERT_TRUE(child.BeginClose());
  child.EndClose();
  EXPECT_TRUE(child.Charge(30));
  EXPECT_EQ(parent.charged_bytes(), 0U);
  EXPECT_TRUE(parent.BeginClose());
}

TEST(QuotaTest, ThreadsTogetherNeverPassIt) {
  constexpr size_t kLimit = 1000;
  Quota quota;
  quota.set_limit_bytes(kLimit);
  std::atomic<size_t> held{0};
  std::atomic<size_t> passed{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 20000; ++i) {
        const size_t bytes = 1 + (i * 31 + t * 17) % 300;
        if (!quota.Charge(bytes)) continue;
        if (held.fetch_add(bytes) + bytes > kLimit) ++passed;
        held.fetch_sub(bytes);
        quota.Return(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 0U);
  EXPECT_EQ(quota.charged_bytes(), 0U);
}

}  // namespace
}  // namespace myonly::internal
