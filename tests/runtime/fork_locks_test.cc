// Fork takes every lock that there is, so that the child's memory is nowhere in
// the midst of a change. Each rank has a row here: a new one is noticed.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/lock_rank.h"
#include "allocator/base/mutex.h"
#include "allocator/base/preset.h"
#include "allocator/base/status.h"
#include "allocator/large/pressure.h"
#include "allocator/runtime/process_globals.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/runtime/sampling.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

using RankedMutex = std::pair<LockRank, Mutex*>;

// A mutex begins with its state, which is not 0 while somebody holds it.
bool IsHeld(const Mutex& mutex) {
  uint32_t state;
  static_assert(sizeof(mutex) >= sizeof(state), "the state is its first word");
  memcpy(&state, static_cast<const void*>(&mutex), sizeof(state));
  return state != 0;
}

void AddArena(Arena& arena, std::vector<RankedMutex>* out) {
  out->push_back({LockRank::kArena, &arena.mutex_for_fork()});
  out->push_back({LockRank::kQuota, &arena.quota().mutex_for_fork()});
  if (arena.ground() != nullptr) {
    out->push_back({LockRank::kRunPool, &arena.runs().mutex_for_fork()});
  }
}

class ForkLocksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Locks are left out as long as there was no other thread.
    std::thread([] {}).join();
    buffer_ = mmap(nullptr, kBufferBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(buffer_, MAP_FAILED);
    ASSERT_EQ(ProcessHeap::CreateArena(ArenaOptions(), &arena_), Status::kOk);
    ASSERT_EQ(ProcessHeap::CreateArenaIn(buffer_, kBufferBytes, ArenaOptions(),
                                         &own_arena_),
              Status::kOk);
  }
  void TearDown() override {
    EXPECT_EQ(ProcessHeap::DestroyArena(arena_, false), Status::kOk);
    EXPECT_EQ(ProcessHeap::DestroyArena(own_arena_, false), Status::kOk);
    EXPECT_EQ(munmap(buffer_, kBufferBytes), 0);
  }

  // Of the debug preset's own lock tests/debug knows.
  std::vector<RankedMutex> Locks() const {
    ProcessGlobals& g = process_globals;
    std::vector<RankedMutex> locks = {
        {LockRank::kThreadRegistry, &g.threads.mutex()},
        {LockRank::kArenaRegistry, &g.registry.mutex_for_fork()},
        {LockRank::kArena, &g.default_arena.mutex_for_fork()},
        {LockRank::kPressure, &Pressure::mutex_for_fork()},
        {LockRank::kRunPool, &g.runs.mutex_for_fork()},
        {LockRank::kHugeMapping, &g.huge.mutex_for_fork()},
        {LockRank::kOwnMemory, &g.own.mutex_for_fork()},
        {LockRank::kMetadata, &g.metadata.mutex_for_fork()},
    };
    if (kIsSecure) {
      locks.push_back({LockRank::kGuardedPool, &Sampling::mutex_for_fork()});
    }
    for (const ArenaHandle handle : {arena_, own_arena_}) {
      Status status;
      AddArena(*ProcessHeap::FindArena(handle, &status), &locks);
    }
    return locks;
  }

  static void ExpectHeld(const std::vector<RankedMutex>& locks, bool held) {
    for (const auto& [rank, mutex] : locks) {
      EXPECT_EQ(IsHeld(*mutex), held) << "rank " << static_cast<int>(rank);
    }
  }

  static constexpr size_t kBufferBytes = size_t{1} << 20;
  void* buffer_ = nullptr;
  ArenaHandle arena_ = 0;
  ArenaHandle own_arena_ = 0;
};

TEST_F(ForkLocksTest, EveryRankIsKnownHere) {
  std::set<LockRank> ranks = {LockRank::kHistory};
  if (!kIsSecure) ranks.insert(LockRank::kGuardedPool);
  for (const auto& [rank, mutex] : Locks()) ranks.insert(rank);
  EXPECT_EQ(ranks.size(), static_cast<size_t>(LockRank::kLast) + 1);
}

TEST_F(ForkLocksTest, EachIsHeldUntilTheForkIsOver) {
  const std::vector<RankedMutex> locks = Locks();
  ExpectHeld(locks, false);
  for (int i = 0; i < 2; ++i) {
    ProcessHeap::PrepareFork();
    ExpectHeld(locks, true);
    ProcessHeap::ParentAfterFork();
    ExpectHeld(locks, false);
  }
}

TEST_F(ForkLocksTest, EachIsFreeInTheChild) {
  const std::vector<RankedMutex> locks = Locks();
  ProcessHeap::PrepareFork();
  const pid_t child = fork();
  if (child == 0) {
    ProcessHeap::ChildAfterFork();
    for (const auto& [rank, mutex] : locks) {
      if (IsHeld(*mutex)) _exit(1 + static_cast<int>(rank));
    }
    _exit(0);
  }
  ProcessHeap::ParentAfterFork();
  ASSERT_GT(child, 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "rank " << WEXITSTATUS(status) - 1;
}

}  // namespace
}  // namespace myonly::internal
