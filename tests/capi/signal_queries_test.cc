// What a signal handler may ask, at every moment of the calls it interrupts.
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/preset.h"
#include "tests/support/single_step.h"

namespace myonly::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Blocks of every kind that live throughout, of an arena and of the process
// heap, and the answers about them.
class Known {
 public:
  Known() {
    myonly_arena_create(nullptr, &arena_);
    for (myonly_arena* arena : {arena_, static_cast<myonly_arena*>(nullptr)}) {
      for (int i = 0; i < 400; ++i) Add(arena, 64, i % 80 == 0);
      for (size_t size : {size_t{1000}, size_t{3000}, size_t{60000},
                          size_t{200000}, 9 * kMiB}) {
        Add(arena, size, true);
      }
    }
    for (size_t i = 0; i < fillers_.size(); ++i) {
      if (i % 2 == 0) myonly_free(fillers_[i]);
    }
  }
  ~Known() { myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE); }

  myonly_arena* arena() const { return arena_; }

  // The next question; false: a wrong answer. Async-signal-safe.
  bool Ask() {
    const unsigned question = next_.fetch_add(1);
    const Entry& entry = entries_[question / 4 % entries_.size()];
    char* const start = static_cast<char*>(entry.block);
    const int saved = errno;
    const myonly_status last = myonly_last_status();
    bool good = false;
    switch (question % 4) {
      case 0: {
        myonly_arena* arena = nullptr;
        good = myonly_arena_of(start + entry.bytes / 2, &arena) == MYONLY_OK &&
               arena == entry.arena;
        break;
      }
      case 1:
        good = IsKnown(entry, start) && IsKnown(entry, start + entry.bytes - 1);
        break;
      case 2: {
        myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
        good = myonly_arena_peek(entry.arena, &stats) == MYONLY_OK &&
               stats.live_blocks >= entries_.size() / 2 &&
               stats.live_blocks < 1000000 &&
               stats.live_bytes <= stats.reserved_bytes + 64 * kMiB &&
               strcmp(stats.name,
                      entry.arena == nullptr ? "process" : "arena") == 0;
        break;
      }
      default: {
        myonly_block_info info = MYONLY_BLOCK_INFO_INIT;
        myonly_arena* arena = nullptr;
        good = myonly_block_of(&info, &info) == MYONLY_ERR_INVALID &&
               myonly_arena_of(nullptr, &arena) == MYONLY_ERR_INVALID;
      }
    }
    return good && errno == saved && myonly_last_status() == last;
  }

 private:
  struct Entry {
    myonly_arena* arena;
    void* block;
    size_t bytes;
  };
  void Add(myonly_arena* arena, size_t size, bool stays) {
    void* block =
        arena == nullptr ? myonly_alloc(size) : myonly_arena_alloc(arena, size);
    if (stays) {
      entries_.push_back({arena, block, myonly_usable_size(block)});
    } else {
      fillers_.push_back(block);
    }
  }
  static bool IsKnown(const Entry& entry, const void* address) {
    myonly_block_info info = MYONLY_BLOCK_INFO_INIT;
    return myonly_block_of(address, &info) == MYONLY_OK &&
           info.start == entry.block && info.size == entry.bytes &&
           info.arena == entry.arena && info.state == MYONLY_BLOCK_LIVE;
  }

  myonly_arena* arena_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<void*> fillers_;
  std::atomic<unsigned> next_{0};
};

// Allocates and frees in both heaps, in every way.
class Work {
 public:
  explicit Work(myonly_arena* arena, unsigned seed)
      : arena_(arena), random_(seed) {}
  ~Work() {
    for (void* block : blocks_) myonly_free(block);
  }
  void Step() {
    void*& block = blocks_[random_() % kBlocks];
    const unsigned kind = random_() % 64;
    const size_t size = kind == 0   ? 8 * kMiB + random_() % kMiB
                        : kind < 4  ? random_() % 300000
                        : kind < 20 ? random_() % 20000
                                    : random_() % 1100;
    if (kind % 5 == 1 && block != nullptr) {
      void* moved = myonly_realloc(block, size + 1);
      if (moved != nullptr) block = moved;
      return;
    }
    myonly_free(block);
    block = random_() % 2 == 0 ? myonly_alloc(size)
                               : myonly_arena_alloc(arena_, size);
  }

 private:
  static constexpr size_t kBlocks = 50;
  myonly_arena* const arena_;
  std::mt19937 random_;
  void* blocks_[kBlocks] = {};
};

struct Steps {
  Known& known;
  Work& work;
  size_t wrong = 0;

  static void Run(void* context) {
    for (int i = 0; i < 400; ++i) static_cast<Steps*>(context)->work.Step();
  }
  static void Look(void* context) {
    auto* steps = static_cast<Steps*>(context);
    if (!steps->known.Ask()) ++steps->wrong;
  }
};

TEST(SignalQueriesTest, AnswersAreRightAfterEachInstruction) {
  if (!CanSingleStep()) GTEST_SKIP() << "not on this processor";
  if (kIsDebug) GTEST_SKIP() << "the stack of each call takes 100,000 steps";
  Known known;
  Work work(known.arena(), 1);
  Steps steps{known, work};
  EXPECT_GT(SingleStep(Steps::Run, Steps::Look, &steps), 50000u);
  EXPECT_EQ(steps.wrong, 0u);
}

Known* asked = nullptr;
std::atomic<int> answers{0};
std::atomic<int> wrong_answers{0};

void OnTimer(int /*signal*/) {
  ++answers;
  for (int i = 0; i < 4; ++i) {
    if (!asked->Ask()) ++wrong_answers;
  }
}

TEST(SignalQueriesTest, AnswersAreRightInAStormOfTimers) {
  Known known;
  asked = &known;
  struct sigaction action = {};
  action.sa_handler = OnTimer;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval often = {{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &often, nullptr);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&known, i] {
      Work work(known.arena(), i);
      while (answers < 5000) work.Step();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  EXPECT_EQ(wrong_answers, 0);
  signal(SIGALRM, SIG_IGN);
}

void OnCrash(int /*signal*/) {
  for (int i = 0; i < 200; ++i) {
    if (!asked->Ask()) _exit(1);
  }
  _exit(42);
}

TEST(SignalQueriesDeathTest, ACrashHandlerMayAsk) {
  EXPECT_EXIT(
      {
        Known known;
        asked = &known;
        signal(SIGSEGV, OnCrash);
        volatile int* volatile nowhere = nullptr;
        *nowhere = 1;
      },
      ::testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace myonly::testing
