// Trees of quotas: against a model, and under threads.
#include <array>
#include <atomic>
#include <cstddef>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/base/status.h"
#include "allocator/large/quota.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

QuotaOptions Below(Quota* parent, size_t limit_bytes = 0) {
  QuotaOptions options;
  options.parent = parent;
  options.limit_bytes = limit_bytes;
  return options;
}

// What a tree should be: sums and comparisons, nothing else.
struct Model {
  static constexpr size_t kQuotas = 24;
  static constexpr size_t kNone = kQuotas;
  struct Level {
    bool open = false;
    size_t parent = kNone;
    size_t own = 0;
    size_t limit = 0;
  };
  std::array<Level, kQuotas> levels;

  size_t Charged(size_t of) const {
    size_t sum = levels[of].own;
    for (size_t i = 0; i < kQuotas; ++i) {
      if (levels[i].open && levels[i].parent == of) sum += Charged(i);
    }
    return sum;
  }
  bool HasChild(size_t of) const {
    for (const Level& level : levels) {
      if (level.open && level.parent == of) return true;
    }
    return false;
  }
  bool IsAbove(size_t above, size_t of) const {
    for (size_t i = of; i != kNone; i = levels[i].parent) {
      if (i == above) return true;
    }
    return false;
  }
  size_t Root(size_t of) const {
    while (levels[of].parent != kNone) of = levels[of].parent;
    return of;
  }
  // Of the levels that do not hold `kept` as well.
  bool Allows(size_t at, size_t bytes, size_t kept) const {
    for (size_t i = at; i != kNone; i = levels[i].parent) {
      if (kept != kNone && IsAbove(i, kept)) break;
      const size_t limit = levels[i].limit;
      if (limit != 0 && Charged(i) + bytes > limit) return false;
    }
    return true;
  }
};

class QuotaModelTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  size_t Any(size_t below) { return random_() % below; }

  void OpenOrClose(size_t at) {
    Model::Level& level = model_.levels[at];
    if (level.open) {
      EXPECT_EQ(quotas_[at].BeginClose(), !model_.HasChild(at));
      if (model_.HasChild(at)) return;
      quotas_[at].BeginDrop();
      quotas_[at].Return(level.own / 2);  // what it returns by itself
      quotas_[at].EndDrop();
      quotas_[at].EndClose();
      level = {};
      return;
    }
    const size_t parent = Any(Model::kQuotas);
    const bool has_parent = model_.levels[parent].open;
    if (has_parent && !quotas_[parent].CanHaveChild()) return;
    level = {true, has_parent ? parent : Model::kNone, 0,
             Any(3) == 0 ? 0 : Any(5000)};
    quotas_[at].Open(
        Below(has_parent ? &quotas_[parent] : nullptr, level.limit));
  }

  void Move(size_t from, size_t to) {
    const size_t bytes = Any(model_.levels[from].own + 1);
    const Status status = quotas_[from].MoveTo(quotas_[to], bytes);
    if (model_.Root(from) != model_.Root(to)) {
      EXPECT_EQ(status, Status::kUnsupported);
    } else if (!model_.Allows(to, bytes, from)) {
      EXPECT_EQ(status, Status::kQuota);
    } else {
      EXPECT_EQ(status, Status::kOk);
      model_.levels[from].own -= bytes;
      model_.levels[to].own += bytes;
    }
  }

  void Step() {
    const size_t at = Any(Model::kQuotas);
    Model::Level& level = model_.levels[at];
    const size_t what = Any(16);
    if (what == 0 || !level.open) return OpenOrClose(at);
    if (what < 8) {
      const size_t bytes = Any(400);
      const bool allowed = model_.Allows(at, bytes, Model::kNone);
      EXPECT_EQ(quotas_[at].Charge(bytes), allowed);
      if (allowed) level.own += bytes;
    } else if (what < 12) {
      const size_t bytes = Any(level.own + 1);
      quotas_[at].Return(bytes);
      level.own -= bytes;
    } else if (what == 12) {
      level.limit = Any(4) == 0 ? 0 : Any(5000);
      quotas_[at].set_limit_bytes(level.limit);
    } else if (what == 13) {
      quotas_[at].BeginDrop();
      quotas_[at].EndDrop();
      level.own = 0;
    } else {
      const size_t to = Any(Model::kQuotas);
      if (model_.levels[to].open && to != at) Move(at, to);
    }
  }

  std::mt19937 random_{GetParam()};
  Model model_;
  std::array<Quota, Model::kQuotas> quotas_;
};

TEST_P(QuotaModelTest, EveryLevelIsWhatTheModelSays) {
  for (int step = 0; step < 20000; ++step) {
    Step();
    for (size_t i = 0; i < Model::kQuotas; ++i) {
      if (!model_.levels[i].open) continue;
      ASSERT_EQ(quotas_[i].charged_bytes(), model_.Charged(i)) << step;
      ASSERT_EQ(quotas_[i].own_bytes(), model_.levels[i].own) << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, QuotaModelTest, ::testing::Range(1u, 9u));

TEST(QuotaTreeTest, HasSixteenLevels) {
  std::array<Quota, Quota::kMaxDepth> quotas;
  Quota* parent = nullptr;
  for (Quota& quota : quotas) {
    EXPECT_TRUE(parent == nullptr || parent->CanHaveChild());
    quota.Open(Below(parent));
    parent = &quota;
  }
  EXPECT_FALSE(parent->CanHaveChild());
  EXPECT_TRUE(parent->Charge(10));
  EXPECT_EQ(quotas[0].charged_bytes(), 10U);
}

// A service, tenants, requests. Threads charge at every level and look at all
// of them at each step; others change limits, open and close.
class QuotaThreadsTest : public ::testing::Test {
 protected:
  static constexpr size_t kLimit = 10000;
  static constexpr size_t kTenantLimit = 4000;
  static constexpr size_t kTenants = 4;

  void SetUp() override {
    service_.Open(Below(nullptr, kLimit));
    for (Quota& tenant : tenants_) {
      tenant.Open(Below(&service_, kTenantLimit));
    }
  }

  void Look() {
    for (const Quota& tenant : tenants_) {
      if (tenant.charged_bytes() > kTenantLimit) ++passed_;
    }
    if (service_.charged_bytes() > kLimit) ++passed_;
  }

  Quota service_;
  std::array<Quota, kTenants> tenants_;
  std::atomic<size_t> passed_{0};
};

TEST_F(QuotaThreadsTest, NoLevelEverPassesItsLimit) {
  std::vector<std::thread> threads;
  std::atomic<size_t> refused{0};
  std::atomic<size_t> held{0};
  for (size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      std::vector<std::pair<Quota*, size_t>> charges;
      const auto give_back = [&] {
        held -= charges.back().second;
        charges.back().first->Return(charges.back().second);
        charges.pop_back();
      };
      for (size_t i = 0; i < 3000; ++i) {
        Quota& tenant = tenants_[random() % kTenants];
        const size_t bytes = 1 + random() % 500;
        if (tenant.Charge(bytes)) {
          if (held.fetch_add(bytes) + bytes > kLimit) ++passed_;
          charges.push_back({&tenant, bytes});
        } else {
          ++refused;
          while (!charges.empty()) give_back();
        }
        Look();
      }
      while (!charges.empty()) give_back();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed_, 0U);
  EXPECT_GT(refused, 0U);
  EXPECT_EQ(service_.charged_bytes(), 0U);
}

// With room for it at every level a charge is granted, whatever others are
// refused meanwhile.
TEST_F(QuotaThreadsTest, WhatIsRefusedIsNeverInTheWay) {
  ASSERT_TRUE(tenants_[1].Charge(4000));
  ASSERT_TRUE(tenants_[2].Charge(4000));
  ASSERT_TRUE(tenants_[0].Charge(1900));  // 100 left in the service
  std::atomic<bool> stop{false};
  std::atomic<size_t> granted{0};
  std::thread greedy([&] {
    // The tenant would allow it.
    while (!stop) granted += tenants_[0].Charge(2100) ? 1 : 0;
  });
  size_t failed = 0;
  for (int i = 0; i < 20000; ++i) {
    if (tenants_[0].Charge(100)) {
      tenants_[0].Return(100);
    } else {
      ++failed;
    }
  }
  stop = true;
  greedy.join();
  EXPECT_EQ(failed, 0U);
  EXPECT_EQ(granted, 0U);
}

// Once a limit is set nothing passes it, whatever was under way.
TEST_F(QuotaThreadsTest, ALimitHoldsFromThenOn) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      while (!stop) {
        Quota& quota = t % 2 == 0 ? service_ : tenants_[t];
        if (quota.Charge(700)) quota.Return(700);
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    service_.set_limit_bytes(2100);
    service_.set_limit_bytes(700);
    // What was granted before may still be there; it falls.
    size_t before = service_.charged_bytes();
    for (int j = 0; j < 20; ++j) {
      const size_t now = service_.charged_bytes();
      if (now > 700 && now > before) ++passed_;
      before = now;
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed_, 0U);
  EXPECT_EQ(service_.charged_bytes(), 0U);
}

}  // namespace
}  // namespace myonly::internal
