// When a thread ends its state is the next thread's. Each case is in a child,
// as who watches threads does so for ever.
#include <pthread.h>
#include <unistd.h>

#include <thread>

#include "allocator/runtime/process_heap.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

ThreadState* StateOfThisThread() {
  for (int i = 0; i < 20; ++i) ProcessHeap::Free(ProcessHeap::Allocate(100));
  return this_thread.state;
}

[[noreturn]] void StartInAThreadThatHasAllocated() {
  ThreadState* first = nullptr;
  ThreadState* next = nullptr;
  std::thread([&] {
    first = StateOfThisThread();
    ProcessHeap::WatchThreads();
  }).join();
  std::thread([&] { next = StateOfThisThread(); }).join();
  _exit(first != nullptr && next == first ? 0 : 1);
}

TEST(ThreadEndDeathTest, WhoHasAllocatedBeforeTheStartIsWatchedToo) {
  EXPECT_EXIT(StartInAThreadThatHasAllocated(), ::testing::ExitedWithCode(0),
              "");
}

ThreadState* state_at_the_end;
void AllocateAtTheEnd(void* /*unused*/) {
  state_at_the_end = StateOfThisThread();
}

// The other key's destructor comes behind the heap's.
[[noreturn]] void AllocateBehindTheEnd() {
  ProcessHeap::WatchThreads();
  pthread_key_t key;
  if (pthread_key_create(&key, AllocateAtTheEnd) != 0) _exit(2);
  ThreadState* state = nullptr;
  std::thread([&] {
    state = state_at_the_end = StateOfThisThread();
    pthread_setspecific(key, &key);
  }).join();
  _exit(state != nullptr && state_at_the_end == nullptr ? 0 : 1);
}

TEST(ThreadEndDeathTest, WhatDestructorsAllocateLaterGoesWithoutAState) {
  EXPECT_EXIT(AllocateBehindTheEnd(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace myonly::internal
