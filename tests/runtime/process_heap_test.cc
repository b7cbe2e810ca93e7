// The process heap: the allocate family, the way from an address to its arena,
// statuses by thread, purging, checks and fork.
#include "allocator/runtime/process_heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/options/options.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
// One of each kind.
constexpr size_t kSizes[] = {1, 100, 60000, 70000, kMiB, 9 * kMiB};

// Before main, and perhaps before the library's own constructor.
void* const allocated_early = ProcessHeap::Allocate(100);

class ProcessHeapTest : public ::testing::Test {
 protected:
  ProcessHeapTest() { ProcessHeap::SetLastStatus(Status::kOk); }
  void TearDown() override {
    BrokenInvariant broken;
    EXPECT_TRUE(ProcessHeap::CheckInvariants(&broken)) << broken.what;
  }

  static ArenaHandle CreateArena() {
    ArenaHandle handle = 0;
    EXPECT_EQ(ProcessHeap::CreateArena(ArenaOptions(), &handle), Status::kOk);
    return handle;
  }
  static Arena& Find(ArenaHandle handle) {
    Status status;
    return *ProcessHeap::FindArena(handle, &status);
  }
  // The arena of an address, or ~0 if it has none.
  static ArenaHandle ArenaOf(const void* ptr) {
    ArenaHandle handle = 0;
    const Status status = ProcessHeap::ArenaOf(ptr, &handle);
    EXPECT_TRUE(status == Status::kOk || status == Status::kInvalid);
    return status == Status::kOk ? handle : ~ArenaHandle{0};
  }
};
using ProcessHeapDeathTest = ProcessHeapTest;

TEST_F(ProcessHeapTest, WorksBeforeMain) {
  ASSERT_NE(allocated_early, nullptr);
  EXPECT_EQ(ArenaOf(allocated_early), 0U);
}

TEST_F(ProcessHeapTest, AllocatesAndFreesEveryKind) {
  const uint64_t live = ProcessHeap::DefaultArena().Stats().live_blocks;
  for (int round = 0; round < 3; ++round) {
    for (size_t size : kSizes) {
      errno = 12345;
      void* ptr = ProcessHeap::Allocate(size);
      ASSERT_NE(ptr, nullptr);
      Fill(ptr, ProcessHeap::UsableSize(ptr), 1);
      void* zeroed = ProcessHeap::AllocateZeroed(size, 1);
      EXPECT_TRUE(IsZero(zeroed, size));
      Fill(zeroed, size, 2);
      void* aligned = ProcessHeap::AllocateAligned(4096, size);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned) % 4096, 0U);
      EXPECT_TRUE(IsFilled(ptr, size, 1));
      for (void* block : {ptr, zeroed, aligned}) ProcessHeap::Free(block);
      EXPECT_EQ(errno, 12345);
    }
  }
  ProcessHeap::Free(nullptr);
  EXPECT_EQ(ProcessHeap::UsableSize(nullptr), 0U);
  EXPECT_EQ(ProcessHeap::DefaultArena().Stats().live_blocks, live);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kOk);
}

TEST_F(ProcessHeapTest, BlocksOfNoBytesAreCountedAsOthers) {
  const ArenaStats before = ProcessHeap::Stats();
  const uint64_t peeked = ProcessHeap::PeekStats(nullptr).live_blocks;
  void* ptr = ProcessHeap::Allocate(0);
  ASSERT_NE(ptr, nullptr);
  EXPECT_EQ(ProcessHeap::Stats().live_blocks, before.live_blocks + 1);
  EXPECT_EQ(ProcessHeap::Stats().allocations, before.allocations + 1);
  EXPECT_EQ(ProcessHeap::PeekStats(nullptr).live_blocks, peeked + 1);
  ProcessHeap::Free(ptr);
  EXPECT_EQ(ProcessHeap::PeekStats(nullptr).live_blocks, peeked);
  EXPECT_EQ(ProcessHeap::Stats().live_blocks, before.live_blocks);
  EXPECT_EQ(ProcessHeap::Stats().frees, before.frees + 1);
}

TEST_F(ProcessHeapTest, FailuresSayWhy) {
  EXPECT_EQ(ProcessHeap::Allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
  EXPECT_EQ(ProcessHeap::AllocateAligned(48, 100), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kInvalid);
  EXPECT_EQ(ProcessHeap::AllocateZeroed(SIZE_MAX / 2, 3), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
  EXPECT_EQ(ProcessHeap::AllocateAligned(0, 100), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kInvalid);
  // What works leaves it alone.
  ProcessHeap::Free(ProcessHeap::Allocate(10));
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kInvalid);
}

TEST_F(ProcessHeapTest, EachThreadHasItsOwnLastStatus) {
  EXPECT_EQ(ProcessHeap::Allocate(SIZE_MAX), nullptr);
  Status seen = Status::kBusy;
  std::thread([&seen] {
    seen = ProcessHeap::LastStatus();
    ProcessHeap::SetLastStatus(Status::kQuota);
  }).join();
  EXPECT_EQ(seen, Status::kOk);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
}

TEST_F(ProcessHeapTest, ReallocatesBetweenAllKinds) {
  const uint64_t live = ProcessHeap::DefaultArena().Stats().live_blocks;
  for (size_t from : kSizes) {
    for (size_t to : kSizes) {
      void* ptr = ProcessHeap::Reallocate(nullptr, from);
      Fill(ptr, from, 3);
      ptr = ProcessHeap::Reallocate(ptr, to);
      ASSERT_NE(ptr, nullptr);
      EXPECT_TRUE(IsFilled(ptr, from < to ? from : to, 3)) << from << " " << to;
      EXPECT_GE(ProcessHeap::UsableSize(ptr), to);
      EXPECT_EQ(ProcessHeap::Reallocate(ptr, 0), nullptr);
      EXPECT_EQ(ProcessHeap::LastStatus(), Status::kOk);
    }
  }
  EXPECT_EQ(ProcessHeap::DefaultArena().Stats().live_blocks, live);
}

TEST_F(ProcessHeapTest, AFailedReallocationLeavesTheBlockAlone) {
  for (size_t size : kSizes) {
    void* ptr = ProcessHeap::Allocate(size);
    Fill(ptr, size, 4);
    for (size_t wanted : {SIZE_MAX, kMaxRequest + 1, kMaxRequest}) {
      ProcessHeap::SetLastStatus(Status::kOk);
      EXPECT_EQ(ProcessHeap::Reallocate(ptr, wanted), nullptr);
      EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
    }
    EXPECT_TRUE(IsFilled(ptr, size, 4));
    ProcessHeap::Free(ptr);
  }
}

TEST_F(ProcessHeapTest, TryResizeNeverMoves) {
  for (size_t size : kSizes) {
    void* ptr = ProcessHeap::Allocate(size);
    Fill(ptr, size, 5);
    for (size_t wanted : {size * 2, size / 2 + 1, SIZE_MAX}) {
      const size_t before = ProcessHeap::UsableSize(ptr);
      const bool resized = ProcessHeap::TryResize(ptr, wanted);
      const size_t usable = ProcessHeap::UsableSize(ptr);
      EXPECT_TRUE(resized ? usable >= wanted : usable == before) << wanted;
    }
    EXPECT_TRUE(IsFilled(ptr, size / 2 + 1, 5));
    ProcessHeap::Free(ptr);
  }
}

// --- Arenas. ---

TEST_F(ProcessHeapTest, BlocksOfArenasAreFoundByTheirAddress) {
  const ArenaHandle handle = CreateArena();
  for (size_t size : kSizes) {
    Status status = Status::kOk;
    char* ptr = static_cast<char*>(Find(handle).Allocate(size, &status));
    ASSERT_NE(ptr, nullptr);
    EXPECT_EQ(ArenaOf(ptr), handle);
    EXPECT_EQ(ArenaOf(ptr + size - 1), handle);
    // Grown by moving, it stays in its arena.
    ptr = static_cast<char*>(ProcessHeap::Reallocate(ptr, size * 3));
    EXPECT_EQ(ArenaOf(ptr), handle);
    ProcessHeap::Free(ptr);
  }
  EXPECT_EQ(Find(handle).Stats().live_blocks, 0U);
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kOk);
  Status status = Status::kOk;
  EXPECT_EQ(ProcessHeap::FindArena(handle, &status), nullptr);
  EXPECT_EQ(status, Status::kStale);
}

TEST_F(ProcessHeapTest, AddressesOfOthersHaveNoArena) {
  int on_stack = 0;
  static int global = 0;
  const auto by_libc = std::vector<char>(100);
  void* huge = ProcessHeap::Allocate(20 * kMiB);
  char* inside = static_cast<char*>(huge) + 10 * kMiB;
  EXPECT_EQ(ArenaOf(inside), 0U);
  ProcessHeap::Free(huge);
  const void* const foreign[] = {
      nullptr,
      &on_stack,
      &global,
      by_libc.data(),
      inside,
      reinterpret_cast<const void*>(&ProcessHeap::Purge),
      reinterpret_cast<const void*>(uintptr_t{1}),
      reinterpret_cast<const void*>(~uintptr_t{0}),
      reinterpret_cast<const void*>(uintptr_t{1} << 63)};
  for (const void* ptr : foreign)
    EXPECT_EQ(ArenaOf(ptr), ~ArenaHandle{0}) << ptr;
}

TEST_F(ProcessHeapTest, WhoAsksAnArenaOftenHasAShareOfIt) {
  const ArenaHandle handle = CreateArena();
  BlockInfo block = {};
  for (int i = 0; i < 1000; ++i) {
    void* ptr = ProcessHeap::AllocateIn(handle, 100);
    ASSERT_NE(ptr, nullptr);
    ASSERT_EQ(ProcessHeap::BlockOf(ptr, &block), Status::kOk);
    EXPECT_EQ(block.arena, handle);
  }
  EXPECT_NE(block.thread, 0U);
  BlockInfo of_other = {};
  std::thread([handle, &of_other] {
    for (int i = 0; i < 1000; ++i) {
      void* ptr = ProcessHeap::AllocateIn(handle, 100);
      ProcessHeap::BlockOf(ptr, &of_other);
    }
  }).join();
  EXPECT_EQ(of_other.arena, handle);
  EXPECT_NE(of_other.thread, 0U);
  EXPECT_NE(of_other.thread, block.thread);
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, false), Status::kOk);
}

TEST_F(ProcessHeapTest, AnArenaZeroesBlocksOfEveryKind) {
  const ArenaHandle handle = CreateArena();
  for (int round = 0; round < 3; ++round) {
    for (size_t size : kSizes) {
      void* ptr = ProcessHeap::AllocateZeroedIn(handle, size, 1);
      ASSERT_NE(ptr, nullptr) << size;
      EXPECT_TRUE(IsZero(ptr, size)) << size;
      EXPECT_EQ(ArenaOf(ptr), handle);
      Fill(ptr, size, 6);
      ProcessHeap::Free(ptr);
    }
  }
  EXPECT_EQ(ProcessHeap::AllocateZeroedIn(handle, SIZE_MAX / 2, 3), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kOk);
  EXPECT_EQ(ProcessHeap::AllocateZeroedIn(handle, 1, kMiB), nullptr);
  EXPECT_EQ(ProcessHeap::LastStatus(), Status::kStale);
}

// --- Purging and options. ---

TEST_F(ProcessHeapTest, PurgeKeepsNoMoreThanItIsAllowedTo) {
  for (size_t keep : {4 * kMiB, size_t{0}}) {
    std::vector<void*> blocks;
    for (size_t i = 0; i < 20; ++i) {
      blocks.push_back(ProcessHeap::Allocate(kMiB));
      blocks.push_back(ProcessHeap::Allocate(50000));
    }
    blocks.push_back(ProcessHeap::Allocate(12 * kMiB));
    for (void* ptr : blocks) ProcessHeap::Free(ptr);
    // In secure the pages of large blocks went when they were freed.
    const size_t gone = ProcessHeap::Purge(keep);
    if (!kIsSecure || keep == 0) {
      EXPECT_GT(gone, 0U);
    }
    EXPECT_LE(process_globals.runs.dirty_bytes() +
                  process_globals.huge.cached_bytes(),
              keep);
  }
}

TEST_F(ProcessHeapTest, PurgeTellsWhatArenasGaveBack) {
  ProcessHeap::Purge(0);
  const ArenaHandle handle = CreateArena();
  Status status = Status::kOk;
  std::vector<void*> blocks(800);
  for (void*& ptr : blocks) {
    ptr = Find(handle).Allocate(10000, &status);
    Fill(ptr, 10000, 8);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 8 != 0) ProcessHeap::Free(blocks[i]);
  }
  // Of 7 MB between live blocks, with what else was free.
  const size_t gone = ProcessHeap::Purge(0);
  EXPECT_GT(gone, 4 * kMiB);
  EXPECT_LT(gone, 16 * kMiB);
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, false), Status::kOk);
}

TEST_F(ProcessHeapTest, PurgeOfAnArenaGivesBackKeptMappingsToo) {
  if (kIsSecure) GTEST_SKIP() << "secure keeps no freed mapping";
  ProcessHeap::Purge(0);
  const ArenaHandle handle = CreateArena();
  Status status = Status::kOk;
  ProcessHeap::Free(Find(handle).Allocate(12 * kMiB, &status));
  ProcessHeap::PurgeArena(Find(handle), handle, 12 * kMiB);
  EXPECT_EQ(process_globals.huge.cached_bytes(), 12 * kMiB);
  ProcessHeap::PurgeArena(Find(handle), handle, 0);
  EXPECT_EQ(process_globals.huge.cached_bytes(), 0U);
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kOk);
}

TEST_F(ProcessHeapTest, OptionsSayHowMuchIsKept) {
  Options options;
  ProcessHeap::Free(ProcessHeap::Allocate(12 * kMiB));
  if (kIsSecure) {
    EXPECT_EQ(process_globals.huge.cached_bytes(), 0U);
    GTEST_SKIP() << "secure keeps no freed mapping, whatever options say";
  }
  EXPECT_EQ(process_globals.huge.cached_bytes(), 12 * kMiB);
  ProcessHeap::Purge(0);
  options.huge_cache = 0;
  ProcessHeap::ApplyOptions(options);
  // Neither what was live before nor what was wanted again may count.
  const uint64_t now_ms = CoarseMs();
  for (uint64_t i = 1; i < 200; ++i) {
    process_globals.huge.PurgeWithTime(now_ms + i * 100);
  }
  ProcessHeap::Free(ProcessHeap::Allocate(9 * kMiB));
  EXPECT_EQ(process_globals.huge.cached_bytes(), 0U);
  // From the second time on it is wanted again.
  for (int i = 0; i < 2; ++i) {
    ProcessHeap::Free(ProcessHeap::Allocate(9 * kMiB));
  }
  EXPECT_GT(process_globals.huge.cached_bytes(), 0U);
  ProcessHeap::Purge(0);
  ProcessHeap::ApplyOptions(Options());
}

// --- Checks. ---

TEST_F(ProcessHeapTest, CheckArenaSaysWhereAnInvariantIsBroken) {
  const ArenaHandle handle = CreateArena();
  Status status = Status::kOk;
  char* ptr = static_cast<char*>(Find(handle).Allocate(100, &status));
  const size_t usable = ProcessHeap::UsableSize(ptr);
  BrokenInvariant broken;
  EXPECT_TRUE(ProcessHeap::CheckArena(Find(handle), &broken));
  ptr[usable] = static_cast<char>(~ptr[usable]);
  EXPECT_FALSE(ProcessHeap::CheckArena(Find(handle), &broken));
  EXPECT_STREQ(broken.what, "overwritten header");
  EXPECT_EQ(broken.where, ptr + usable + 8);
  ::testing::internal::CaptureStderr();
  ProcessHeap::ReportBroken(broken);
  EXPECT_EQ(::testing::internal::GetCapturedStderr().find(
                "myonlymalloc: broken invariant: overwritten header at 0x"),
            0U);
  ptr[usable] = static_cast<char>(~ptr[usable]);
  EXPECT_TRUE(ProcessHeap::CheckArena(Find(handle), &broken));
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, false), Status::kOk);
}

TEST_F(ProcessHeapDeathTest, BadPointersAbortWithOneLine) {
  int on_stack = 0;
  EXPECT_DEATH(ProcessHeap::Free(&on_stack),
               "myonlymalloc: free of a foreign address at 0x");
  EXPECT_DEATH(ProcessHeap::UsableSize(&on_stack), "foreign address");
  EXPECT_DEATH(ProcessHeap::Reallocate(&on_stack, 10), "foreign address");
  for (size_t size : {size_t{100}, size_t{60000}, kMiB}) {
    void* ptr = ProcessHeap::Allocate(size);
    ProcessHeap::Free(ptr);
    EXPECT_DEATH(ProcessHeap::Free(ptr), "myonlymalloc: double free at 0x");
    EXPECT_DEATH(ProcessHeap::Reallocate(ptr, 10), "myonlymalloc: ");
  }
}

TEST_F(ProcessHeapDeathTest, AddressesInsideOfBlocksAbort) {
  for (size_t size : {size_t{100}, size_t{20000}, kMiB, 9 * kMiB}) {
    if (!kChecksObjects && size == 100) continue;  // fast does not look
    // The first requests of a size are served in another way.
    std::vector<void*> blocks(20);
    for (void*& block : blocks) block = ProcessHeap::Allocate(size);
    char* ptr = static_cast<char*>(blocks.back());
    ASSERT_NE(ptr, nullptr);
    EXPECT_DEATH(ProcessHeap::UsableSize(ptr + 16), "myonlymalloc: ") << size;
    EXPECT_DEATH(ProcessHeap::Free(ptr + 16), "myonlymalloc: ") << size;
    EXPECT_DEATH(ProcessHeap::TryResize(ptr + 16, size), "myonlymalloc: ");
    EXPECT_DEATH(ProcessHeap::Reallocate(ptr + 16, 1), "myonlymalloc: ");
    for (void* block : blocks) ProcessHeap::Free(block);
  }
}

// --- Mappings, of which a process may have 65,530. ---

size_t Mappings() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<size_t>(std::count(std::istreambuf_iterator<char>(maps),
                                        std::istreambuf_iterator<char>(),
                                        '\n'));
}

TEST_F(ProcessHeapTest, SeventyThousandLargeBlocksTakeFewMappings) {
  constexpr size_t kBlocks = 70'000;
  std::vector<void*> blocks(kBlocks);
  const size_t before = Mappings();
  for (void*& block : blocks) {
    block = ProcessHeap::Allocate(140'000);
    ASSERT_NE(block, nullptr);
  }
  EXPECT_LT(Mappings(), before + 1000);
  for (size_t i = 0; i < kBlocks; i += 2) ProcessHeap::Free(blocks[i]);
  EXPECT_LT(Mappings(), before + 1000);
  for (size_t i = 1; i < kBlocks; i += 2) ProcessHeap::Free(blocks[i]);
}

// --- Threads and fork. ---

size_t WritableBytes() {
  std::ifstream maps("/proc/self/maps");
  size_t bytes = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long start = 0;
    unsigned long end = 0;
    char may[5] = "";
    if (sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, may) == 3 &&
        may[1] == 'w') {
      bytes += end - start;
    }
  }
  return bytes;
}

// Exits with 1 if the first thread commits much and another does not, with 0 if
// none does.
void CommitForThreads(rlim_t data_limit) {
  const rlimit limit = {data_limit, RLIM_INFINITY};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
  const auto work = [] { ProcessHeap::Free(ProcessHeap::Allocate(1000)); };
  work();
  const size_t alone = WritableBytes();
  std::thread(work).join();
  const size_t one = WritableBytes();
  std::thread(work).join();
  const size_t two = WritableBytes();
  fprintf(stderr, "%zu, %zu, %zu\n", alone, one, two);
  exit(two >= one + 32 * kMiB ? 2 : one >= alone + 32 * kMiB ? 1 : 0);
}

// Before they have much to do; or they would wait for it while they do.
TEST_F(ProcessHeapDeathTest, WithTheFirstThreadMuchIsCommittedOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process of its own
  EXPECT_EXIT(CommitForThreads(RLIM_INFINITY), ::testing::ExitedWithCode(1),
              "");
}

TEST_F(ProcessHeapDeathTest, WhereWhatIsCommittedCountsThreadsGetWhatTheyNeed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  constexpr rlim_t kMuch = rlim_t{1} << 50;  // also for sanitizers
  EXPECT_EXIT(CommitForThreads(kMuch), ::testing::ExitedWithCode(0), "");
}

TEST_F(ProcessHeapTest, WhoIsIdleKeepsNothingFree) {
  uint64_t before = 0;
  uint64_t after = 0;
  std::thread([&] {
    std::vector<void*> blocks(400);
    for (size_t size : {size_t{100}, size_t{1000}, size_t{20000}}) {
      for (void*& ptr : blocks) ptr = ProcessHeap::Allocate(size);
      for (void* ptr : blocks) ProcessHeap::Free(ptr);
    }
    before = ProcessHeap::Stats().reserved_bytes();
    ProcessHeap::NoteIdle();
    after = ProcessHeap::Stats().reserved_bytes();
    EXPECT_EQ(this_thread.state, nullptr);
  }).join();
  EXPECT_LT(after + 2 * kMiB, before);
}

TEST_F(ProcessHeapTest, BlocksOfAnotherThreadAreResizedAsOnesOwn) {
  constexpr int kBlocks = 20;
  for (size_t size : kSizes) {
    std::vector<void*> blocks(kBlocks);
    std::thread([size, &blocks] {
      for (void*& ptr : blocks) {
        ptr = ProcessHeap::Allocate(size);
        Fill(ptr, size, 7);
      }
    }).join();
    for (void*& ptr : blocks) {
      EXPECT_GE(ProcessHeap::UsableSize(ptr), size);
      ptr = ProcessHeap::Reallocate(ptr, size + 1);
      ASSERT_NE(ptr, nullptr);
      ptr = ProcessHeap::Reallocate(ptr, size * 2);
      ASSERT_NE(ptr, nullptr);
      EXPECT_GE(ProcessHeap::UsableSize(ptr), size * 2);
      EXPECT_TRUE(IsFilled(ptr, size, 7)) << size;
      EXPECT_EQ(ArenaOf(ptr), 0U);
    }
    for (void* ptr : blocks) ProcessHeap::Free(ptr);
  }
}

TEST_F(ProcessHeapTest, WhoFreesForOthersKeepsItsState) {
  std::vector<void*> blocks(200);
  std::thread([&blocks] {
    for (void*& ptr : blocks) ptr = ProcessHeap::Allocate(100);
  }).join();
  for (int i = 0; i < 20; ++i) ProcessHeap::Free(ProcessHeap::Allocate(100));
  const ThreadState* state = this_thread.state;
  for (void* ptr : blocks) ProcessHeap::Free(ptr);
  EXPECT_EQ(this_thread.state, state);
}

TEST_F(ProcessHeapTest, OnlyItsThreadResizesABlockInPlace) {
  std::thread([] {
    for (int i = 0; i < 20; ++i) ProcessHeap::Free(ProcessHeap::Allocate(100));
    void* block = ProcessHeap::Allocate(20000);
    EXPECT_EQ(ProcessHeap::Reallocate(block, 30000), block);
    void* moved = nullptr;
    std::thread([block, &moved] {
      moved = ProcessHeap::Reallocate(block, 40000);
    }).join();
    EXPECT_NE(moved, block);
    ProcessHeap::Free(moved);
  }).join();
}

// Other threads hold the locks at any time; the child's are free.
TEST_F(ProcessHeapTest, AChildCanAllocateWhateverOthersWereDoing) {
  ASSERT_EQ(
      pthread_atfork(ProcessHeap::PrepareFork, ProcessHeap::ParentAfterFork,
                     ProcessHeap::ChildAfterFork),
      0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&stop] {
      while (!stop) {
        for (size_t size : {size_t{100}, size_t{70000}, 9 * kMiB}) {
          ProcessHeap::Free(ProcessHeap::Allocate(size));
        }
        ArenaHandle handle = 0;
        ProcessHeap::CreateArena(ArenaOptions(), &handle);
        ProcessHeap::DestroyArena(handle, false);
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(20);  // a lock that nobody holds any more would hang it
      for (size_t size : kSizes) {
        ProcessHeap::Free(ProcessHeap::Allocate(size));
      }
      ArenaHandle handle = 0;
      const Status status = ProcessHeap::CreateArena(ArenaOptions(), &handle);
      BrokenInvariant broken;
      _exit(status == Status::kOk && ProcessHeap::CheckInvariants(&broken) ? 0
                                                                           : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "child " << i;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace myonly::internal
