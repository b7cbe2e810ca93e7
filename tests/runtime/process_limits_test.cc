// Arenas at their limits: what callbacks may have done to the call they ran in,
// requests that shall fail, blocks that change their arena.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/fault_plan.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/request_gate.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
using Events = std::vector<int32_t>;

// An arena whose callback does what a test says.
class Watched {
 public:
  Watched(size_t limit, size_t soft, ArenaHandle parent = 0) {
    ArenaOptions options;
    options.limit_bytes = limit;
    options.soft_limit_bytes = soft;
    options.parent = parent;
    options.on_pressure = OnPressure;
    options.ctx = this;
    EXPECT_EQ(ProcessHeap::CreateArena(options, &handle), Status::kOk);
    ProcessHeap::SetLastStatus(Status::kOk);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() {
    then = [] {};
    ProcessHeap::DestroyArena(handle, false);
  }

  void* Allocate(size_t size) const {
    return ProcessHeap::AllocateIn(handle, size);
  }
  Arena& Find() const {
    Status status;
    return *ProcessHeap::FindArena(handle, &status);
  }
  Events Take() {
    Events taken;
    taken.swap(events);
    return taken;
  }

  ArenaHandle handle = 0;
  Events events;
  std::function<void()> then = [] {};

 private:
  static void OnPressure(void* ctx, myonly_arena* /*arena*/, int32_t event) {
    auto* watched = static_cast<Watched*>(ctx);
    watched->events.push_back(event);
    watched->then();
  }
};

TEST(ProcessLimitsTest, ARefusalIsToldAndCountedOnce) {
  Watched watched(2 * kMiB, 0);
  EXPECT_EQ(watched.Allocate(3 * kMiB), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kQuota);
  EXPECT_EQ(watched.Take(), Events{Pressure::kLimit});
  EXPECT_EQ(watched.Find().quota().refusals(), 1U);
  EXPECT_NE(watched.Allocate(kMiB), nullptr);
  EXPECT_EQ(watched.Take(), Events{});
  EXPECT_EQ(watched.Find().quota().refusals(), 1U);
}

TEST(ProcessLimitsTest, WhatNoLimitHasRefusedIsNotCounted) {
  Watched watched(0, kMiB);
  EXPECT_EQ(watched.Allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
  EXPECT_EQ(watched.Find().quota().refusals(), 0U);
}

TEST(ProcessLimitsTest, ARefusedRequestIsMadeAgainAfterAReset) {
  Watched watched(2 * kMiB, 0);
  watched.then = [&watched] {
    EXPECT_EQ(ProcessHeap::ResetArena(watched.handle), Status::kOk);
  };
  ASSERT_NE(watched.Allocate(kMiB), nullptr);
  EXPECT_NE(watched.Allocate(kMiB + 100000), nullptr);
  EXPECT_EQ(watched.Take(), Events{Pressure::kLimit});
  EXPECT_EQ(watched.Find().Stats().live_blocks, 1U);
}

// Each time the block goes with the rest.
TEST(ProcessLimitsTest, ARequestIsMadeTwiceAndNoThirdTime) {
  Watched watched(0, kMiB);
  watched.then = [&watched] {
    if (watched.events.back() != Pressure::kSoft) return;
    EXPECT_EQ(ProcessHeap::ResetArena(watched.handle), Status::kOk);
  };
  EXPECT_EQ(watched.Allocate(2 * kMiB), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kStale);
  EXPECT_EQ(watched.Take(), (Events{Pressure::kSoft, Pressure::kRelieved,
                                    Pressure::kSoft, Pressure::kRelieved}));
  EXPECT_EQ(watched.Find().Stats().live_blocks, 0U);
}

TEST(ProcessLimitsTest, WhatTheParentsCallbackDestroysIsStale) {
  for (size_t size : {2 * kMiB, 9 * kMiB}) {
    Watched parent(0, kMiB);
    ArenaOptions options;
    options.parent = parent.handle;
    ArenaHandle child = 0;
    ASSERT_EQ(ProcessHeap::CreateArena(options, &child), Status::kOk);
    parent.then = [&parent, child] {
      if (parent.events.back() != Pressure::kSoft) return;
      EXPECT_EQ(ProcessHeap::DestroyArena(child, false), Status::kOk);
    };
    EXPECT_EQ(ProcessHeap::AllocateIn(child, size), nullptr);
    EXPECT_EQ(ProcessHeap::LastStatus(), Status::kStale);
    EXPECT_EQ(ProcessHeap::StatusOf(child), Status::kStale);
    EXPECT_EQ(parent.Find().quota().charged_bytes(), 0U);
  }
}

TEST(ProcessLimitsTest, WhatIsResetWhileItGrowsIsStale) {
  for (size_t size : {kMiB / 4, kMiB, 9 * kMiB}) {
    Watched watched(0, size + size / 2);
    watched.then = [&watched] {
      EXPECT_EQ(ProcessHeap::ResetArena(watched.handle), Status::kOk);
    };
    void* ptr = watched.Allocate(size);
    ASSERT_NE(ptr, nullptr);
    EXPECT_EQ(ProcessHeap::Reallocate(ptr, 2 * size), nullptr) << size;
    EXPECT_EQ(ProcessHeap::LastStatus(), Status::kStale) << size;
    EXPECT_EQ(watched.Find().Stats().live_blocks, 0U) << size;
  }
}

TEST(ProcessLimitsTest, ALowerSoftLimitIsToldByWhoSetsIt) {
  Watched watched(0, 0);
  ASSERT_NE(watched.Allocate(2 * kMiB), nullptr);
  EXPECT_EQ(watched.Take(), Events{});
  EXPECT_EQ(
      ProcessHeap::SetLimit(watched.handle, &Quota::set_soft_limit_bytes, kMiB),
      Status::kOk);
  EXPECT_EQ(watched.Take(), Events{Pressure::kSoft});
}

// --- Requests that shall fail. ---

TEST(ProcessLimitsTest, AnArenaIsNotAskedAgainForWhatShallFail) {
  Watched watched(0, 0);
  FaultOptions options;
  options.fail_nth = 1;
  for (size_t size : {size_t{100}, kMiB, 9 * kMiB}) {
    ASSERT_EQ(watched.Find().SetFaults(watched.handle, &options, nullptr),
              Status::kOk);
    EXPECT_EQ(watched.Allocate(size), nullptr) << size;
    EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory) << size;
    void* ptr = watched.Allocate(size);
    EXPECT_NE(ptr, nullptr) << size;
    ProcessHeap::Free(ptr);
    uint64_t failures = 0;
    EXPECT_EQ(watched.Find().SetFaults(watched.handle, nullptr, &failures),
              Status::kOk);
    EXPECT_EQ(failures, 1U) << size;
  }
}

TEST(ProcessLimitsTest, WhatCannotMoveShrinksAsFarAsItsKindAllows) {
  const size_t sizes[][2] = {{20 * kMiB, kMaxLargeRequest / 2 + 1},
                             {kMiB, kMaxBlockRequest / 2 + 1}};
  for (const auto& [size, least] : sizes) {
    void* ptr = ProcessHeap::Allocate(size);
    ASSERT_NE(ptr, nullptr);
    Fill(ptr, size, 1);
    ProcessHeap::SetLastStatus(Status::kOk);
    ASSERT_EQ(RequestGate::EnterSection(false), Status::kOk);
    EXPECT_EQ(ProcessHeap::Reallocate(ptr, 100), ptr);
    EXPECT_EQ(RequestGate::LeaveSection(), Status::kOk);
    EXPECT_EQ(ProcessHeap::LastStatus(), Status::kOk);
    EXPECT_GE(ProcessHeap::UsableSize(ptr), least);
    // In secure a run keeps the room that it has.
    if (!kIsSecure || size > kMaxLargeRequest) {
      EXPECT_LT(ProcessHeap::UsableSize(ptr), least + 2 * kSliceSize);
    }
    EXPECT_TRUE(IsFilled(ptr, 100, 1));
    // With the size that was asked for, though it has far more.
    ProcessHeap::FreeSized(ptr, 100, 0);
  }
}

// --- Blocks that change their arena. ---

TEST(ProcessLimitsTest, ALargeBlockTakesItsChargeToAnotherArena) {
  Watched root(0, 0);
  Watched from(0, 0, root.handle);
  Watched to(4 * kMiB, 3 * kMiB, root.handle);
  void* first = from.Allocate(2 * kMiB);
  void* second = from.Allocate(2 * kMiB);
  EXPECT_EQ(ProcessHeap::Transfer(first, to.handle), Status::kOk);
  EXPECT_EQ(to.Take(), Events{});
  EXPECT_NE(to.Allocate(kMiB / 2), nullptr);
  EXPECT_EQ(ProcessHeap::Transfer(second, to.handle), Status::kQuota);
  ArenaHandle owner = 0;
  EXPECT_EQ(ProcessHeap::ArenaOf(first, &owner), Status::kOk);
  EXPECT_EQ(owner, to.handle);
  EXPECT_EQ(ProcessHeap::ArenaOf(second, &owner), Status::kOk);
  EXPECT_EQ(owner, from.handle);
  EXPECT_EQ(to.Find().quota().refusals(), 1U);
  EXPECT_EQ(to.Take(), Events{Pressure::kLimit});
}

TEST(ProcessLimitsTest, WhatAnArenaKeepsFreeMakesRoomForABlock) {
  Watched root(0, 0);
  Watched from(0, 0, root.handle);
  Watched to(0, 0, root.handle);
  ProcessHeap::Free(to.Allocate(60000));
  const size_t spare = to.Find().quota().charged_bytes();
  ASSERT_GT(spare, 0U);
  void* ptr = from.Allocate(2 * kMiB);
  const size_t bytes = from.Find().quota().charged_bytes();
  ASSERT_EQ(ProcessHeap::SetLimit(to.handle, &Quota::set_limit_bytes, bytes),
            Status::kOk);
  EXPECT_EQ(ProcessHeap::Transfer(ptr, to.handle), Status::kOk);
  EXPECT_EQ(to.Find().quota().charged_bytes(), bytes);
  EXPECT_EQ(from.Find().quota().charged_bytes(), 0U);
  EXPECT_EQ(to.Find().quota().refusals(), 0U);
}

TEST(ProcessLimitsTest, OnlyLargeBlocksChangeTheirArena) {
  Watched root(0, 0);
  Watched from(0, 0, root.handle);
  Watched to(0, 0, root.handle);
  int on_stack = 0;
  EXPECT_EQ(ProcessHeap::Transfer(&on_stack, to.handle), Status::kInvalid);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(ProcessHeap::Transfer(from.Allocate(100), to.handle),
              Status::kUnsupported);
    EXPECT_EQ(ProcessHeap::Transfer(from.Allocate(20000), to.handle),
              Status::kUnsupported);
  }
  void* ptr = from.Allocate(2 * kMiB);
  EXPECT_EQ(ProcessHeap::Transfer(ptr, 1), Status::kInvalid);
  EXPECT_EQ(ProcessHeap::Transfer(ptr, to.handle), Status::kOk);
  ProcessHeap::Free(ptr);
  EXPECT_EQ(ProcessHeap::Transfer(ptr, to.handle), Status::kInvalid);
}

}  // namespace
}  // namespace myonly::internal
