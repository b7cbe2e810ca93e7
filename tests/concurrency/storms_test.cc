// Signals in the midst of allocations, and processes that end while their
// threads allocate. The allocator is this program's malloc.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/concurrency/block.h"
#include "tests/concurrency/long_run.h"

namespace myonly::testing {
namespace {

std::atomic<size_t> signals{0};

// Counts, and sometimes starts a program: what a handler may do. Not by fork(),
// whose handlers wait for locks that the interrupted thread may hold.
void OnSignal(int) {
  const int kept = errno;
  if (++signals % 5000 == 0) {
    const pid_t pid = _Fork();
    if (pid == 0) {
      char path[] = "/bin/true";
      char* const argv[] = {path, nullptr};
      execv(path, argv);
      _exit(1);
    }
    if (pid > 0) waitpid(pid, nullptr, 0);
  }
  errno = kept;
}

// Allocates until `done`; how many blocks were damaged.
size_t ChurnUntil(const std::atomic<bool>& done, uint32_t seed) {
  ThreadRandom random(seed);
  std::vector<TaggedBlock> blocks(100);
  size_t damaged = 0;
  for (size_t i = 0; !done; ++i) {
    TaggedBlock& block = blocks[random.Below(blocks.size())];
    if (block.start != nullptr && !block.Holds()) ++damaged;
    free(block.start);
    block.size = random.Size();
    block.tag = static_cast<char>(i);
    block.start = static_cast<char*>(malloc(block.size));
    if (block.start == nullptr) return damaged + 1;
    block.Fill();
  }
  for (TaggedBlock& block : blocks) {
    if (block.start != nullptr && !block.Holds()) ++damaged;
    free(block.start);
  }
  return damaged;
}

TEST(StormsTest, SignalsDuringAllocationsDoNoHarm) {
  const auto time = std::chrono::seconds(ShortOrLong(2, 60));
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  std::atomic<bool> done{false};
  std::atomic<size_t> damaged{0};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      stack_t stack = {};
      stack.ss_size = 64 << 10;
      stack.ss_sp = malloc(stack.ss_size);
      sigaltstack(&stack, nullptr);
      damaged += ChurnUntil(done, i);
      stack.ss_flags = SS_DISABLE;
      void* memory = stack.ss_sp;
      sigaltstack(&stack, nullptr);
      free(memory);
    });
  }
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    for (std::thread& thread : threads) {
      pthread_kill(thread.native_handle(), SIGUSR1);
    }
    // 10,000 signals a second for each thread.
    const timespec pause = {0, 100'000};
    nanosleep(&pause, nullptr);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(damaged, 0u);
  EXPECT_GT(signals, 100u);
  printf("figure: %zu signals\n", signals.load());
}

enum class End { kExit, kQuickExit, kReturnFromThread, kUnderscore };

// Ends the process in one of these ways while threads allocate.
[[noreturn]] void EndWhileThreadsAllocate(End end, unsigned number) {
  alarm(60);
  static std::atomic<bool> never{false};
  for (uint32_t i = 0; i < 3; ++i) {
    std::thread([i] { ChurnUntil(never, i); }).detach();
  }
  atexit([] { free(malloc(5000)); });
  at_quick_exit([] { free(malloc(500)); });
  const timespec pause = {0, static_cast<long>(number % 50) * 20'000};
  nanosleep(&pause, nullptr);
  switch (end) {
    case End::kExit:
      exit(0);
    case End::kQuickExit:
      quick_exit(0);
    case End::kReturnFromThread:
      std::thread([] { exit(0); }).join();
      abort();
    case End::kUnderscore:
      break;
  }
  _exit(0);
}

TEST(StormsTest, ProcessesEndWhileThreadsAllocate) {
  const int count = ShortOrLong(80, 10'000);
  for (int i = 0; i < count; ++i) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      EndWhileThreadsAllocate(static_cast<End>(i % 4),
                              static_cast<unsigned>(i));
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0) << "process " << i;
  }
  printf("figure: %d processes\n", count);
}

}  // namespace
}  // namespace myonly::testing
