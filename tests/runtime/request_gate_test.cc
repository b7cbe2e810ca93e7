// Sections in which a thread must not allocate, and its plan of failures.
#include "allocator/runtime/request_gate.h"

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "allocator/base/fault_plan.h"
#include "allocator/base/status.h"
#include "allocator/runtime/process_heap.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSizes[] = {1, 100, 1000, 5000, 60000, kMiB, 9 * kMiB};

class RequestGateTest : public ::testing::Test {
 protected:
  // Leaves objects and blocks of all sizes at hand.
  void SetUp() override {
    for (size_t size : kSizes) {
      std::vector<void*> blocks;
      for (int i = 0; i < 50; ++i) {
        blocks.push_back(ProcessHeap::Allocate(size));
      }
      for (void* ptr : blocks) ProcessHeap::Free(ptr);
    }
    ProcessHeap::SetLastStatus(Status::kOk);
  }
  void TearDown() override {
    EXPECT_EQ(RequestGate::LeaveSection(), Status::kInvalid);
    BrokenInvariant broken;
    EXPECT_TRUE(ProcessHeap::CheckInvariants(&broken)) << broken.what;
  }

  static bool IsRefused(void* ptr) {
    const bool is_refused =
        ptr == nullptr && ProcessHeap::LastStatus() == Status::kNoMemory;
    ProcessHeap::Free(ptr);
    ProcessHeap::SetLastStatus(Status::kOk);
    return is_refused;
  }
};
using RequestGateDeathTest = RequestGateTest;

TEST_F(RequestGateTest, ASectionRefusesEverySizeUntilItIsLeft) {
  ASSERT_EQ(RequestGate::EnterSection(false), Status::kOk);
  ASSERT_EQ(RequestGate::EnterSection(false), Status::kOk);
  for (int left = 2; left > 0; --left) {
    for (size_t size : kSizes) {
      EXPECT_TRUE(IsRefused(ProcessHeap::Allocate(size))) << size;
      EXPECT_TRUE(IsRefused(ProcessHeap::AllocateZeroed(size, 1))) << size;
      EXPECT_TRUE(IsRefused(ProcessHeap::AllocateAligned(64, size))) << size;
    }
    EXPECT_EQ(RequestGate::LeaveSection(), Status::kOk);
  }
  for (size_t size : kSizes) {
    EXPECT_FALSE(IsRefused(ProcessHeap::Allocate(size))) << size;
  }
}

TEST_F(RequestGateTest, WhatIsFreedInASectionIsThereAfterIt) {
  std::vector<void*> blocks;
  for (size_t size : kSizes) blocks.push_back(ProcessHeap::Allocate(size));
  const uint64_t live = ProcessHeap::Stats().live_blocks;
  ASSERT_EQ(RequestGate::EnterSection(true), Status::kOk);
  for (void* ptr : blocks) {
    EXPECT_NE(ProcessHeap::UsableSize(ptr), 0U);
    ProcessHeap::Free(ptr);
  }
  EXPECT_EQ(RequestGate::LeaveSection(), Status::kOk);
  EXPECT_EQ(ProcessHeap::Stats().live_blocks, live - blocks.size());
}

TEST_F(RequestGateTest, InAnotherThreadThereIsNoSection) {
  ASSERT_EQ(RequestGate::EnterSection(false), Status::kOk);
  bool is_refused = true;
  std::thread([&is_refused] {
    is_refused = IsRefused(ProcessHeap::Allocate(100));
  }).join();
  EXPECT_FALSE(is_refused);
  EXPECT_EQ(RequestGate::LeaveSection(), Status::kOk);
}

TEST_F(RequestGateDeathTest, ASectionThatForbidsEndsTheProcess) {
  EXPECT_DEATH(
      {
        RequestGate::EnterSection(true);
        ProcessHeap::Allocate(100);
      },
      "allocation in a section that forbids it, in the thread at 0x");
  // What counts is the inner one.
  ASSERT_EQ(RequestGate::EnterSection(true), Status::kOk);
  ASSERT_EQ(RequestGate::EnterSection(false), Status::kOk);
  EXPECT_TRUE(IsRefused(ProcessHeap::Allocate(100)));
  EXPECT_EQ(RequestGate::LeaveSection(), Status::kOk);
  EXPECT_DEATH(ProcessHeap::Allocate(100), "a section that forbids it");
  EXPECT_EQ(RequestGate::LeaveSection(), Status::kOk);
}

TEST_F(RequestGateTest, APlanFailsTheRequestThatItNames) {
  FaultOptions options;
  options.fail_nth = 3;
  for (size_t size : kSizes) {
    ASSERT_EQ(RequestGate::BeginFaults(options), Status::kOk);
    EXPECT_EQ(RequestGate::BeginFaults(options), Status::kBusy);
    for (int i = 1; i < 6; ++i) {
      EXPECT_EQ(IsRefused(ProcessHeap::Allocate(size)), i == 3) << size;
    }
    uint64_t failures = 0;
    EXPECT_EQ(RequestGate::EndFaults(&failures), Status::kOk);
    EXPECT_EQ(failures, 1U);
    EXPECT_EQ(RequestGate::EndFaults(&failures), Status::kInvalid);
  }
}

// Its share is the next thread's, as if it had left the section.
TEST_F(RequestGateTest, AThreadMayEndInASection) {
  static const bool is_watching = (ProcessHeap::WatchThreads(), true);
  ASSERT_TRUE(is_watching);
  const auto thread_of_last = [] {
    BlockInfo block = {};
    for (int i = 0; i < 100; ++i) {
      void* ptr = ProcessHeap::Allocate(100);
      EXPECT_EQ(ProcessHeap::BlockOf(ptr, &block), Status::kOk);
      ProcessHeap::Free(ptr);
    }
    return block.thread;
  };
  uint64_t first = 0;
  std::thread([&first, thread_of_last] {
    first = thread_of_last();
    EXPECT_EQ(RequestGate::EnterSection(false), Status::kOk);
  }).join();
  EXPECT_NE(first, 0U);
  std::thread([first, thread_of_last] {
    EXPECT_EQ(thread_of_last(), first);
  }).join();
}

}  // namespace
}  // namespace myonly::internal
