// Forks within the functions of a program that this library calls, while other
// threads use the same arena: the child has an arena that works.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/concurrency/block.h"

namespace myonly::testing {
namespace {

constexpr int kForks = 20;
constexpr unsigned kChildSeconds = 20;

// Blocks of one arena, by turns, until `done` or for so many turns.
void Churn(myonly_arena* arena, uint32_t seed, const std::atomic<bool>* done,
           int turns) {
  ThreadRandom random(seed);
  std::vector<TaggedBlock> blocks(50);
  for (int i = 0; i < turns && (done == nullptr || !*done); ++i) {
    TaggedBlock& block = blocks[random.Below(blocks.size())];
    if (block.start != nullptr && !block.Holds()) abort();
    myonly_free(block.start);
    const size_t size = 1 + random.Below(i % 20 == 0 ? 90000 : 900);
    block = {static_cast<char*>(myonly_arena_alloc(arena, size)), size,
             static_cast<char>(seed)};
    if (block.start != nullptr) block.Fill();
  }
  for (const TaggedBlock& block : blocks) myonly_free(block.start);
}

// Uses the arena in two threads, and one of its own; then drops both, in so far
// as the call in which the parent was lets it.
bool ChildGoesOn(myonly_arena* arena) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena* another = nullptr;
  if (myonly_arena_create(&options, &another) != MYONLY_OK) return false;
  for (myonly_arena* each : {another, arena}) {
    Churn(each, 5, nullptr, 300);
    std::thread([each] { Churn(each, 6, nullptr, 300); }).join();
    if (myonly_arena_check(each) != MYONLY_OK) return false;
    if (myonly_arena_reset(each) != MYONLY_OK) return false;
    const myonly_status status =
        myonly_arena_destroy(each, MYONLY_DESTROY_FREE);
    if (status != MYONLY_OK && status != MYONLY_ERR_BUSY) return false;
  }
  return true;
}

int forks = 0;
int good_children = 0;

// Until a child has failed: each that hangs takes its time.
bool IsToGoOn() { return forks < kForks && good_children == forks; }

void ForkHere(myonly_arena* arena) {
  if (!IsToGoOn()) return;
  ++forks;
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildSeconds);
    _exit(ChildGoesOn(arena) ? 0 : 1);
  }
  int status = -1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) ++good_children;
}

class ArenaForkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    forks = 0;
    good_children = 0;
  }
  void Create(const myonly_arena_options& options) {
    ASSERT_EQ(myonly_arena_create(&options, &arena_), MYONLY_OK);
  }
  void StartThreads() {
    for (uint32_t i = 0; i < 3; ++i) {
      threads_.emplace_back(
          [this, i] { Churn(arena_, i + 10, &done_, INT32_MAX); });
    }
  }
  void TearDown() override {
    done_ = true;
    for (std::thread& thread : threads_) thread.join();
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
    EXPECT_GT(forks, 0);
    EXPECT_EQ(good_children, forks);
  }

  myonly_arena* arena_ = nullptr;

 private:
  std::atomic<bool> done_{false};
  std::vector<std::thread> threads_;
};

TEST_F(ArenaForkTest, AVisitorOfAWalkMayFork) {
  Create(MYONLY_ARENA_OPTIONS_INIT);
  StartThreads();
  const auto visit = [](void* arena, const myonly_block_info*) -> int {
    ForkHere(static_cast<myonly_arena*>(arena));
    return forks % 3 == 0;
  };
  while (IsToGoOn()) myonly_arena_walk(arena_, nullptr, visit, arena_);
}

TEST_F(ArenaForkTest, APressureCallbackMayFork) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.soft_limit_bytes = size_t{16} << 20;
  options.on_pressure = [](void*, myonly_arena* arena, int32_t) {
    ForkHere(arena);
  };
  Create(options);
  StartThreads();
  while (IsToGoOn()) {
    void* block = myonly_arena_alloc(arena_, size_t{17} << 20);
    ASSERT_NE(block, nullptr);
    myonly_free(block);
  }
}

// --- The end of a thread. ---

pthread_key_t key;
std::atomic<size_t> refused{0};

// Called up to four times: the last time the allocator has given up what it had
// for the thread.
void UseArenaOnce(void* value) {
  auto* arena = static_cast<myonly_arena*>(value);
  static thread_local int rounds = 0;
  void* block = myonly_arena_alloc(arena, 100);
  if (block == nullptr) ++refused;
  if (rounds % 2 == 0) myonly_free(block);
  if (++rounds < 4) pthread_setspecific(key, arena);
}

TEST(ArenaThreadEndTest, DestructorsMayAllocateInAnArenaThatIsResetLater) {
  ASSERT_EQ(pthread_key_create(&key, UseArenaOnce), 0);
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  for (int i = 0; i < 600; ++i) {
    std::thread([arena, i] {
      for (int j = 0; j < i % 3 * 300; ++j) myonly_arena_alloc(arena, 40);
      pthread_setspecific(key, arena);
    }).join();
    if (i % 50 == 49) {
      EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
      EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    }
  }
  EXPECT_EQ(refused, 0u);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(pthread_key_delete(key), 0);
}

}  // namespace
}  // namespace myonly::testing
