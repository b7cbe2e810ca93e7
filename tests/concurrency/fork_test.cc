// Forks while threads allocate: the child must find a heap that works, with no
// lock held by a thread that it does not have. The allocator is this program's
// malloc.
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/concurrency/block.h"
#include "tests/concurrency/long_run.h"

namespace myonly::testing {
namespace {

constexpr size_t kThreads = 4;
int Forks() { return ShortOrLong(400, 10'000); }
constexpr unsigned kChildSeconds = 20;

// One block after the other, until `done`.
void ChurnUntil(const std::atomic<bool>& done, uint32_t seed) {
  ThreadRandom random(seed);
  std::vector<void*> blocks(100);
  while (!done) {
    void*& block = blocks[random.Below(blocks.size())];
    free(block);
    block = malloc(random.Size());
  }
  for (void* block : blocks) free(block);
}

// What a child does; true if all went well. `inherited` was allocated before.
bool Child(const TaggedBlock& inherited, uint32_t seed) {
  if (!inherited.Holds()) return false;
  free(inherited.start);
  ThreadRandom random(seed);
  std::vector<TaggedBlock> blocks(50);
  for (int i = 0; i < 500; ++i) {
    TaggedBlock& block = blocks[random.Below(blocks.size())];
    if (block.start != nullptr && !block.Holds()) return false;
    free(block.start);
    block.size = random.Size();
    block.tag = static_cast<char>(i);
    block.start = static_cast<char*>(malloc(block.size));
    if (block.start == nullptr) return false;
    block.Fill();
  }
  return true;
}

// Waits for the child; true if it exited with 0. A child that hangs is ended
// by its own alarm.
bool EndedWell(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class ForkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (uint32_t i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this, i] { ChurnUntil(done_, i); });
    }
  }
  void TearDown() override {
    done_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::vector<std::thread> threads_;
};

TEST_F(ForkTest, ChildrenCanAllocate) {
  for (int i = 0; i < Forks(); ++i) {
    TaggedBlock block = {static_cast<char*>(malloc(3000)), 3000, 'f'};
    ASSERT_NE(block.start, nullptr);
    block.Fill();
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(kChildSeconds);
      _exit(Child(block, static_cast<uint32_t>(i)) ? 0 : 1);
    }
    ASSERT_TRUE(EndedWell(pid)) << "fork " << i;
    ASSERT_TRUE(block.Holds());
    free(block.start);
  }
}

TEST_F(ForkTest, ChildrenCanStartThreadsAndFork) {
  for (int i = 0; i < Forks() / 10; ++i) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(kChildSeconds);
      std::atomic<bool> done{false};
      std::thread thread([&] { ChurnUntil(done, 7); });
      const pid_t grandchild = fork();
      if (grandchild == 0) {
        alarm(kChildSeconds);
        free(malloc(100000));
        _exit(0);
      }
      const bool well = grandchild > 0 && EndedWell(grandchild);
      done = true;
      thread.join();
      _exit(well ? 0 : 1);
    }
    ASSERT_TRUE(EndedWell(pid)) << "fork " << i;
  }
}

TEST_F(ForkTest, ChildrenCanExecAndTheParentGoesOn) {
  for (int i = 0; i < Forks() / 10; ++i) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(kChildSeconds);
      char path[] = "/bin/true";
      char* const argv[] = {path, nullptr};
      execv(path, argv);
      _exit(1);
    }
    free(malloc(static_cast<size_t>(i) * 1000));
    ASSERT_TRUE(EndedWell(pid)) << "fork " << i;
  }
}

}  // namespace
}  // namespace myonly::testing
