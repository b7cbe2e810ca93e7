// Soft limits, refusals and reserves: who is told what, how often, and when.
#include "allocator/large/pressure.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "allocator/large/quota.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// A quota, and what its callback was told.
class Told {
 public:
  explicit Told(QuotaOptions options) {
    quota.set_extras(&extras_);
    Open(options);
  }
  ~Told() { EXPECT_TRUE(quota.BeginClose()); }

  // As an arena that is closed, and whose place another one gets.
  void Reopen(const QuotaOptions& options) {
    EXPECT_TRUE(quota.BeginClose());
    quota.BeginDrop();
    quota.EndDrop();
    quota.EndClose();
    Open(options);
  }

  std::vector<int32_t> Take() {
    Pressure::Tell();
    std::vector<int32_t> taken;
    taken.swap(events);
    return taken;
  }

  Quota quota;
  std::vector<int32_t> events;
  std::function<void(int32_t)> then = [](int32_t) {};
  std::atomic<int> running{0};
  int most_running = 0;

 private:
  void Open(QuotaOptions options) {
    options.on_pressure = OnPressure;
    options.ctx = this;
    options.arena = 16;
    quota.Open(options);
  }
  static void OnPressure(void* ctx, myonly_arena* arena, int32_t event) {
    auto* told = static_cast<Told*>(ctx);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena), 16U);
    told->most_running = std::max(told->most_running, ++told->running);
    told->events.push_back(event);
    told->then(event);
    --told->running;
  }

  Quota::Extras extras_ = {};
};

using Events = std::vector<int32_t>;
constexpr int32_t kSoft = Pressure::kSoft;
constexpr int32_t kRelieved = Pressure::kRelieved;
constexpr int32_t kLimit = Pressure::kLimit;

QuotaOptions Limits(size_t limit, size_t soft = 0, size_t reserve = 0) {
  QuotaOptions options;
  options.limit_bytes = limit;
  options.soft_limit_bytes = soft;
  options.reserve_bytes = reserve;
  return options;
}

TEST(PressureTest, SoftAndRelievedTakeTurns) {
  Told told(Limits(0, 800));
  EXPECT_TRUE(told.quota.Charge(800));
  EXPECT_FALSE(Pressure::HasNews());
  EXPECT_TRUE(told.quota.Charge(1));
  EXPECT_TRUE(Pressure::HasNews());
  EXPECT_EQ(told.Take(), Events{kSoft});
  EXPECT_FALSE(Pressure::HasNews());
  told.quota.Return(101);  // 7/8 of it
  EXPECT_EQ(told.Take(), Events{});
  EXPECT_TRUE(told.quota.Charge(300));
  EXPECT_EQ(told.Take(), Events{});
  told.quota.Return(301);
  EXPECT_EQ(told.Take(), Events{kRelieved});
  // What has passed by then is not told.
  EXPECT_TRUE(told.quota.Charge(300));
  told.quota.Return(300);
  EXPECT_EQ(told.Take(), Events{});
}

TEST(PressureTest, MovingTheSoftLimitCrossesItToo) {
  Told told(Limits(0));
  EXPECT_TRUE(told.quota.Charge(1000));
  told.quota.set_soft_limit_bytes(999);
  EXPECT_EQ(told.Take(), Events{kSoft});
  told.quota.set_soft_limit_bytes(1100);
  EXPECT_EQ(told.Take(), Events{});
  told.quota.set_soft_limit_bytes(2000);
  EXPECT_EQ(told.Take(), Events{kRelieved});
  told.quota.set_soft_limit_bytes(500);
  told.Take();
  told.quota.set_soft_limit_bytes(0);
  EXPECT_EQ(told.Take(), Events{kRelieved});
}

TEST(PressureTest, TheReserveIsThereAfterARefusal) {
  Told told(Limits(1000, 0, 200));
  EXPECT_TRUE(told.quota.Charge(700));
  // One that can be served after all, from what was kept free.
  EXPECT_FALSE(told.quota.Charge(101));
  EXPECT_FALSE(told.quota.Charge(101));
  EXPECT_EQ(told.Take(), Events{});
  EXPECT_TRUE(told.quota.Charge(100));
  EXPECT_FALSE(told.quota.Charge(1));
  told.quota.NoteRefusal();
  EXPECT_EQ(told.Take(), Events{kLimit});
  EXPECT_TRUE(told.quota.Charge(200));
  EXPECT_FALSE(told.quota.Charge(1));
  told.quota.NoteRefusal();
  EXPECT_EQ(told.Take(), Events{});  // the same time
  told.quota.Return(200);            // not below 800
  EXPECT_TRUE(told.quota.Charge(200));
  told.quota.Return(201);
  EXPECT_FALSE(told.quota.Charge(2));
  told.quota.NoteRefusal();
  EXPECT_EQ(told.Take(), Events{kLimit});
}

TEST(PressureTest, AReserveThatIsMoreThanTheLimitIsAllOfIt) {
  Told told(Limits(100, 0, 200));
  EXPECT_FALSE(told.quota.Charge(1));
  EXPECT_TRUE(told.quota.Charge(0));
  told.quota.NoteRefusal();
  EXPECT_TRUE(told.quota.Charge(100));
  EXPECT_FALSE(told.quota.Charge(1));
  EXPECT_EQ(told.Take(), Events{kLimit});
  told.quota.Return(99);
  EXPECT_FALSE(told.quota.Charge(100));
  told.quota.NoteRefusal();
  EXPECT_EQ(told.Take(), Events{});
}

// Again and again: each time when nothing is held.
TEST(PressureTest, ALimitThatIsLoweredToTheReserveIsTakenBack) {
  for (const size_t limit : {size_t{100}, size_t{200}}) {
    Told told(Limits(1000, 0, 200));
    ASSERT_TRUE(told.quota.Charge(100));
    told.quota.set_limit_bytes(limit);
    for (int round = 0; round < 3; ++round) {
      told.quota.Return(100);
      EXPECT_FALSE(told.quota.Charge(1));
      EXPECT_EQ(told.Take(), Events{});
      told.quota.NoteRefusal();
      EXPECT_EQ(told.Take(), Events{kLimit});
      EXPECT_TRUE(told.quota.Charge(100));
    }
  }
}

TEST(PressureTest, AHigherLimitHasItsReserveAgain) {
  Told told(Limits(1000, 0, 200));
  EXPECT_TRUE(told.quota.Charge(800));
  EXPECT_FALSE(told.quota.Charge(100));
  told.quota.NoteRefusal();
  EXPECT_TRUE(told.quota.Charge(100));
  told.quota.set_limit_bytes(2000);
  EXPECT_TRUE(told.quota.Charge(900));
  EXPECT_FALSE(told.quota.Charge(1)) << "the reserve is not";
  EXPECT_EQ(told.Take(), Events{kLimit});
}

// Whatever the one before it in its place was in the midst of.
TEST(PressureTest, AnOpenedQuotaIsAsANewOne) {
  const auto expect_new = [](Told& told) {
    EXPECT_EQ(told.Take(), Events{});
    EXPECT_EQ(told.quota.charged_bytes(), 0U);
    EXPECT_EQ(told.quota.own_bytes(), 0U);
    EXPECT_EQ(told.quota.refusals(), 0U);
    EXPECT_TRUE(told.quota.Charge(500));
    EXPECT_EQ(told.Take(), Events{});
    EXPECT_TRUE(told.quota.Charge(300));
    EXPECT_EQ(told.Take(), Events{kSoft});
    EXPECT_FALSE(told.quota.Charge(1)) << "the reserve";
    told.quota.NoteRefusal();
    EXPECT_EQ(told.Take(), Events{kLimit});
    EXPECT_EQ(told.quota.refusals(), 1U);
    EXPECT_TRUE(told.quota.Charge(200));
    told.quota.Return(1000);
    EXPECT_EQ(told.Take(), Events{kRelieved});
  };
  const QuotaOptions limits = Limits(1000, 600, 200);
  Told told(limits);
  expect_new(told);
  // A line at a time may have been crossed, and told or not.
  for (const bool is_told : {false, true}) {
    for (const bool hits_limit : {false, true}) {
      told.Reopen(limits);
      EXPECT_TRUE(told.quota.Charge(800));
      if (is_told) told.Take();
      if (hits_limit) {
        EXPECT_FALSE(told.quota.Charge(1));
        told.quota.NoteRefusal();
        if (is_told) told.Take();
      }
      told.Reopen(limits);
      expect_new(told);
      // Only the limit is told where nothing but that is hit.
      told.Reopen(limits);
      EXPECT_TRUE(told.quota.Charge(700));
      if (is_told) told.Take();
      told.Reopen(Limits(100));
      EXPECT_FALSE(told.quota.Charge(101));
      told.quota.NoteRefusal();
      EXPECT_EQ(told.Take(), Events{kLimit});
    }
  }
}

// Also if that was never closed, as it was more than the limit.
TEST(PressureTest, AnOpenedQuotaKeepsItsReserve) {
  Told told(Limits(100, 0, 200));
  EXPECT_FALSE(told.quota.Charge(1));
  told.quota.NoteRefusal();
  EXPECT_TRUE(told.quota.Charge(100));
  told.Reopen(Limits(1000, 0, 200));
  EXPECT_FALSE(told.quota.Charge(801));
  EXPECT_TRUE(told.quota.Charge(800));
}

TEST(PressureTest, TheLevelThatRefusesIsTold) {
  Told parent(Limits(1000, 0, 100));
  QuotaOptions below = Limits(500);
  below.parent = &parent.quota;
  Quota child;
  child.Open(below);
  ASSERT_TRUE(parent.quota.Charge(800));
  EXPECT_FALSE(child.Charge(501));
  child.NoteRefusal();
  EXPECT_EQ(parent.Take(), Events{});
  EXPECT_FALSE(child.Charge(101));
  child.NoteRefusal();
  EXPECT_EQ(parent.Take(), Events{kLimit});
  EXPECT_TRUE(child.Charge(200));
  child.BeginDrop();
  child.EndDrop();
  EXPECT_TRUE(child.BeginClose());
  child.EndClose();
}

// A level that refused at first, and had enough when it was asked again, has
// not refused for good.
TEST(PressureTest, TheLevelThatRefusedLastIsTold) {
  Told parent(Limits(1000));
  QuotaOptions below = Limits(500);
  below.parent = &parent.quota;
  Told child(below);
  ASSERT_TRUE(parent.quota.Charge(600));
  ASSERT_TRUE(child.quota.Charge(200));
  EXPECT_FALSE(child.quota.Charge(350));
  child.quota.Return(150);
  EXPECT_FALSE(child.quota.Charge(400));
  child.quota.NoteRefusal();
  EXPECT_EQ(child.Take(), Events{});
  EXPECT_EQ(parent.events, Events{kLimit});
  child.quota.Return(50);
  child.quota.EndClose();
}

TEST(PressureTest, ACallbackIsNotCalledWithinItself) {
  Told told(Limits(1000, 500));
  told.then = [&told](int32_t event) {
    if (event == kSoft) {
      told.quota.Return(400);
    } else if (event == kRelieved) {
      EXPECT_FALSE(told.quota.Charge(2000));
      told.quota.NoteRefusal();
    }
    Pressure::Tell();
    EXPECT_FALSE(told.quota.BeginClose());
  };
  EXPECT_TRUE(told.quota.Charge(600));
  EXPECT_EQ(told.Take(), (Events{kSoft, kRelieved, kLimit}));
  EXPECT_EQ(told.most_running, 1);
}

TEST(PressureTest, ACallbackThatCrossesTheLineForEverComesToAnEnd) {
  Told told(Limits(0, 500));
  told.then = [&told](int32_t event) {
    if (event == kSoft) {
      told.quota.Return(400);
    } else {
      EXPECT_TRUE(told.quota.Charge(400));
    }
  };
  EXPECT_TRUE(told.quota.Charge(600));
  EXPECT_EQ(told.Take().size(), 8U);
}

TEST(PressureTest, OneCallbackMayCrossTheLineOfAnotherArena) {
  Told one(Limits(0, 500));
  Told two(Limits(0, 500));
  one.then = [&two](int32_t event) {
    if (event != kSoft) return;
    EXPECT_TRUE(two.quota.Charge(600));
    Pressure::Tell();
    EXPECT_EQ(two.events, Events{kSoft});
  };
  two.then = [&one](int32_t) {
    one.quota.Return(600);
    Pressure::Tell();
    EXPECT_EQ(one.events, Events{kSoft});
  };
  EXPECT_TRUE(one.quota.Charge(600));
  EXPECT_EQ(one.Take(), (Events{kSoft, kRelieved}));
  EXPECT_EQ(two.Take(), Events{kSoft});
}

TEST(PressureTest, WhoIsClosedTellsNothing) {
  auto told = std::make_unique<Told>(Limits(0, 500));
  EXPECT_TRUE(told->quota.Charge(600));
  EXPECT_TRUE(Pressure::HasNews());
  EXPECT_TRUE(told->quota.BeginClose());
  EXPECT_EQ(told->Take(), Events{});
}

// Each thread tells of its own crossing, one at a time.
TEST(PressureTest, ThreadsTellInTurn) {
  Told told(Limits(100000, 250));
  std::atomic<size_t> foreign{0};
  static thread_local bool in_call = false;
  told.then = [&foreign](int32_t) { foreign += in_call ? 0 : 1; };
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&told] {
      for (int i = 0; i < 2000; ++i) {
        in_call = true;
        const bool charged = told.quota.Charge(300);
        Pressure::Tell();
        if (charged) told.quota.Return(300);
        Pressure::Tell();
        in_call = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told.most_running, 1);
  EXPECT_EQ(foreign, 0U);
  for (size_t i = 0; i < told.events.size(); ++i) {
    ASSERT_EQ(told.events[i], i % 2 == 0 ? kSoft : kRelieved) << i;
  }
}

}  // namespace
}  // namespace myonly::internal
