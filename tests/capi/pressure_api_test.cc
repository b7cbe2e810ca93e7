// Callbacks of arenas that meet their limits, as programs write them: they
// evict, reset and destroy, in the midst of whatever call crossed the line.
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <new>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kMiB = 1024 * 1024;
// In the preset secure a block of up to 4 MiB has a page more behind it, and
// here a unit for that.
constexpr size_t kEnd = myonly::internal::kIsSecure ? 32768 : 0;
using Events = std::vector<int32_t>;

// An arena whose callback does what a test says.
struct Watched {
  explicit Watched(size_t limit, size_t soft = 0, size_t reserve = 0,
                   myonly_arena* parent = nullptr) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.limit_bytes = limit;
    options.soft_limit_bytes = soft;
    options.reserve_bytes = reserve;
    options.parent = parent;
    options.on_pressure = OnPressure;
    options.ctx = this;
    EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  }
  ~Watched() {
    if (arena == nullptr) return;
    then = [](int32_t) {};
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  static void OnPressure(void* ctx, myonly_arena* arena, int32_t event) {
    auto* watched = static_cast<Watched*>(ctx);
    EXPECT_EQ(arena, watched->arena);
    EXPECT_EQ(++watched->running, 1);
    watched->thread = std::this_thread::get_id();
    watched->events.push_back(event);
    watched->then(event);
    --watched->running;
  }

  void* Allocate(size_t size) const { return myonly_arena_alloc(arena, size); }
  size_t Charged() const {
    size_t charged = SIZE_MAX;
    EXPECT_EQ(myonly_arena_charged(arena, &charged), MYONLY_OK);
    return charged;
  }
  Events Take() {
    Events taken;
    taken.swap(events);
    return taken;
  }

  myonly_arena* arena = nullptr;
  Events events;
  std::thread::id thread;
  std::atomic<int> running{0};
  std::function<void(int32_t)> then = [](int32_t) {};
};

TEST(PressureApiTest, EveryKindOfCallTellsOfTheLineItCrossed) {
  Watched watched(0, 4 * kMiB);
  const auto expect = [&](void* crossing) {
    EXPECT_NE(crossing, nullptr);
    EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_SOFT});
    myonly_free(crossing);
    EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_RELIEVED});
  };
  myonly_arena* arena = watched.arena;
  expect(watched.Allocate(5 * kMiB));
  expect(watched.Allocate(9 * kMiB));
  expect(myonly_arena_calloc(arena, 5, kMiB));
  expect(myonly_arena_aligned_alloc(arena, 4096, 5 * kMiB));
  expect(myonly_arena_realloc(arena, watched.Allocate(kMiB), 5 * kMiB));
  expect(myonly_arena_realloc(arena, watched.Allocate(100), 5 * kMiB));
  void* block = watched.Allocate(2 * kMiB);
  ASSERT_EQ(myonly_arena_set_soft_limit(arena, kMiB), MYONLY_OK);
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_SOFT});
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  ASSERT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  EXPECT_EQ(stats.soft_limit_bytes, kMiB);
  ASSERT_EQ(myonly_arena_peek(arena, &stats), MYONLY_OK);
  EXPECT_EQ(stats.soft_limit_bytes, kMiB);
  if (kEnd == 0) {
    EXPECT_EQ(myonly_try_resize(block, kMiB / 2, nullptr), 1);
  } else {
    EXPECT_NE(myonly_realloc(block, kMiB / 2), nullptr);
  }
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_RELIEVED});
  watched.Allocate(kMiB);
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_SOFT});
  ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_RELIEVED});
  // Small objects, in the thread's share after a while.
  std::vector<void*> objects;
  for (size_t i = 0; i < 30000; ++i) objects.push_back(watched.Allocate(100));
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_SOFT});
  for (void* object : objects) myonly_free(object);
  ASSERT_EQ(myonly_arena_purge(arena, 0), MYONLY_OK);
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_RELIEVED});
}

TEST(PressureApiTest, AParentIsToldByTheThreadOfTheChildsCall) {
  Watched parent(0, 4 * kMiB);
  {
    Watched child(2 * kMiB + kEnd, kMiB, 0, parent.arena);
    std::thread::id id;
    std::thread thread([&] {
      id = std::this_thread::get_id();
      parent.Allocate(3 * kMiB);
      EXPECT_NE(child.Allocate(2 * kMiB), nullptr);
    });
    thread.join();
    EXPECT_EQ(parent.thread, id);
    EXPECT_EQ(child.thread, id);
    EXPECT_EQ(child.Take(), Events{MYONLY_PRESSURE_SOFT});
    EXPECT_EQ(parent.Take(), Events{MYONLY_PRESSURE_SOFT});
    // The child's limit is no matter of the parent's.
    EXPECT_EQ(child.Allocate(1), nullptr);
    EXPECT_EQ(child.Take(), Events{MYONLY_PRESSURE_LIMIT});
  }
  // It was destroyed.
  EXPECT_EQ(parent.Take(), Events{MYONLY_PRESSURE_RELIEVED});
}

// Whatever arena was in its place before.
TEST(PressureApiTest, WithNobodyToTellThereIsNoSoftLimit) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.soft_limit_bytes = kMiB;
  for (int round = 0; round < 3; ++round) {
    myonly_arena* arena = nullptr;
    ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_set_soft_limit(arena, kMiB), MYONLY_OK);
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
    EXPECT_EQ(stats.soft_limit_bytes, 0U) << round;
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    Watched watched(0, kMiB);
  }
}

TEST(PressureApiTest, ALimitBelowTheReserveIsToldAgainAndAgain) {
  Watched watched(2 * kMiB, 0, kMiB);
  ASSERT_EQ(myonly_arena_set_limit(watched.arena, kMiB), MYONLY_OK);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(watched.Allocate(kMiB / 2), nullptr);
    EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_LIMIT});
    void* block = watched.Allocate(kMiB / 2);
    EXPECT_NE(block, nullptr);
    EXPECT_EQ(watched.Allocate(kMiB), nullptr);
    EXPECT_EQ(watched.Take(), Events{});
    myonly_free(block);
  }
}

TEST(PressureApiTest, ErrnoAndTheLastStatusAreTheCallsOwn) {
  Watched watched(kMiB);
  watched.then = [](int32_t) {
    errno = EBADF;
    EXPECT_EQ(myonly_arena_alloc(nullptr, 1), nullptr);
  };
  EXPECT_EQ(watched.Allocate(2 * kMiB), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_LIMIT});
  ASSERT_EQ(myonly_arena_set_limit(watched.arena, 0), MYONLY_OK);
  ASSERT_EQ(myonly_arena_set_soft_limit(watched.arena, kMiB), MYONLY_OK);
  void* block = watched.Allocate(2 * kMiB);
  errno = E2BIG;
  myonly_free(block);
  EXPECT_EQ(errno, E2BIG);
  EXPECT_EQ(watched.Take().size(), 2U);
}

// --- What a callback may do. ---

TEST(PressureApiTest, ACallbackMayEvict) {
  Watched cache(0, 8 * kMiB);
  std::vector<void*> entries;
  cache.then = [&](int32_t event) {
    if (event != MYONLY_PRESSURE_SOFT) return;
    for (size_t i = entries.size() / 2; i != 0; --i) {
      myonly_free(entries.back());
      entries.pop_back();
    }
    EXPECT_NE(cache.Allocate(100), nullptr);
    EXPECT_EQ(myonly_arena_purge(cache.arena, 0), MYONLY_OK);
    EXPECT_EQ(myonly_arena_check(cache.arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(cache.arena, MYONLY_DESTROY_FREE),
              MYONLY_ERR_BUSY);
  };
  size_t most = 0;
  for (int i = 0; i < 3000; ++i) {
    void* entry = cache.Allocate(50000);
    ASSERT_NE(entry, nullptr);
    memset(entry, 1, 50000);
    entries.push_back(entry);
    most = std::max(most, cache.Charged());
  }
  EXPECT_LE(most, 9 * kMiB);
  EXPECT_GT(cache.events.size(), 4U);
}

TEST(PressureApiTest, ACallbackMayResetItsArena) {
  Watched watched(0, 4 * kMiB);
  watched.then = [&](int32_t event) {
    if (event == MYONLY_PRESSURE_SOFT) {
      EXPECT_EQ(myonly_arena_reset(watched.arena), MYONLY_OK);
    }
  };
  for (const size_t size : {size_t{1000}, size_t{60000}, kMiB}) {
    for (size_t i = 0; i < 16 * kMiB / size; ++i) {
      // The last one is made again.
      void* block = watched.Allocate(size);
      ASSERT_NE(block, nullptr);
      memset(block, 1, size);
      ASSERT_LE(watched.Charged(), 5 * kMiB);
    }
    EXPECT_GE(watched.Take().size(), 4U);
    EXPECT_EQ(myonly_arena_check(watched.arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_reset(watched.arena), MYONLY_OK);
    watched.Take();
  }
  auto* zeroed =
      static_cast<char*>(myonly_arena_calloc(watched.arena, 3, kMiB));
  memset(zeroed, 1, 3 * kMiB);
  zeroed = static_cast<char*>(myonly_arena_calloc(watched.arena, 3, kMiB));
  ASSERT_NE(zeroed, nullptr);
  EXPECT_EQ(zeroed[0] | zeroed[3 * kMiB - 1], 0);
  // What crosses the line by itself crosses it again: once, not for ever.
  EXPECT_EQ(watched.Allocate(5 * kMiB), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  // Nothing is left to be moved.
  void* block = watched.Allocate(kMiB);
  EXPECT_EQ(myonly_arena_realloc(watched.arena, block, 5 * kMiB), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  EXPECT_EQ(watched.Charged(), 0U);
}

TEST(PressureApiTest, ARefusedRequestIsMadeAgainAfterAReset) {
  Watched watched(4 * kMiB, 0);
  watched.then = [&](int32_t event) {
    EXPECT_EQ(event, MYONLY_PRESSURE_LIMIT);
    EXPECT_EQ(myonly_arena_reset(watched.arena), MYONLY_OK);
  };
  for (int i = 0; i < 20; ++i) ASSERT_NE(watched.Allocate(kMiB), nullptr);
  EXPECT_GE(watched.Take().size(), 3U);
  // Too large for the limit itself: once more, not for ever.
  EXPECT_EQ(watched.Allocate(5 * kMiB), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
  EXPECT_EQ(watched.Take().size(), 2U);
  EXPECT_EQ(watched.Charged(), 0U);
}

TEST(PressureApiTest, ARefusedRequestOfADestroyedArenaIsStale) {
  Watched service(4 * kMiB, 0);
  Watched tenant(0, 0, 0, service.arena);
  service.then = [&](int32_t /*event*/) {
    EXPECT_EQ(myonly_arena_destroy(tenant.arena, MYONLY_DESTROY_FREE),
              MYONLY_OK);
  };
  EXPECT_EQ(tenant.Allocate(5 * kMiB), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  tenant.arena = nullptr;
}

TEST(PressureApiTest, ACallbackMayDestroyOtherArenas) {
  Watched service(0, 4 * kMiB);
  Watched tenant(0, 0, 0, service.arena);
  Watched other(0, 0, 0, service.arena);
  ASSERT_NE(other.Allocate(3 * kMiB), nullptr);
  service.then = [&](int32_t event) {
    if (event != MYONLY_PRESSURE_SOFT) return;
    EXPECT_EQ(myonly_arena_destroy(other.arena, MYONLY_DESTROY_FREE),
              MYONLY_OK);
    other.arena = nullptr;
  };
  EXPECT_NE(tenant.Allocate(2 * kMiB), nullptr);
  EXPECT_EQ(service.Take(),
            (Events{MYONLY_PRESSURE_SOFT, MYONLY_PRESSURE_RELIEVED}));
  // Also the one that the call is for.
  service.then = [&](int32_t event) {
    if (event != MYONLY_PRESSURE_SOFT) return;
    EXPECT_EQ(myonly_arena_destroy(tenant.arena, MYONLY_DESTROY_FREE),
              MYONLY_OK);
  };
  EXPECT_EQ(tenant.Allocate(3 * kMiB), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  tenant.arena = nullptr;
  EXPECT_EQ(service.Charged(), 0U);
}

// While another thread's callback runs its arena can't go.
TEST(PressureApiTest, DestroyIsBusyWhileACallbackRuns) {
  Watched watched(0, kMiB);
  std::atomic<int> step{0};
  watched.then = [&](int32_t) {
    step = 1;
    while (step != 2) std::this_thread::yield();
  };
  std::thread thread([&] { watched.Allocate(2 * kMiB); });
  while (step != 1) std::this_thread::yield();
  EXPECT_EQ(myonly_arena_destroy(watched.arena, MYONLY_DESTROY_FREE),
            MYONLY_ERR_BUSY);
  EXPECT_NE(watched.Allocate(100), nullptr);
  step = 2;
  thread.join();
}

// --- The reserve. ---

// Allocates where it goes, also while it is unwound.
class Holder {
 public:
  Holder(const Watched& arena, std::vector<void*>* notes)
      : arena_(arena), notes_(notes) {
    block_ = arena_.Allocate(200000);
    if (block_ == nullptr) throw std::bad_alloc();
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    // A record of what was given up.
    notes_->push_back(arena_.Allocate(20000));
    myonly_free(block_);
  }

 private:
  const Watched& arena_;
  std::vector<void*>* notes_;
  void* block_;
};

void HoldMore(const Watched& arena, std::vector<void*>* notes, int depth) {
  if (depth == 0) return;
  Holder holder(arena, notes);
  HoldMore(arena, notes, depth - 1);
}

size_t FailedNotes(const Watched& arena) {
  std::vector<void*> notes;
  EXPECT_THROW(HoldMore(arena, &notes, 1000), std::bad_alloc);
  EXPECT_GT(notes.size(), 5U);
  size_t failed = 0;
  for (void* note : notes) {
    failed += note == nullptr ? 1 : 0;
    myonly_free(note);
  }
  return failed;
}

TEST(PressureApiTest, UnwindingCanAllocateFromTheReserve) {
  // To the last unit: 200,000 bytes are 7.
  Watched full(15 * 7 * 32768);
  EXPECT_GT(FailedNotes(full), 0U);
  Watched reserved((15 * 7 + 8) * 32768, 0, 8 * 32768);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(FailedNotes(reserved), 0U);
    EXPECT_EQ(reserved.Take(), Events{MYONLY_PRESSURE_LIMIT});
    EXPECT_EQ(myonly_arena_check(reserved.arena), MYONLY_OK);
  }
}

TEST(PressureApiTest, TheReserveIsTakenBack) {
  Watched watched(4 * kMiB + 3 * kEnd, 0, kMiB + kEnd);
  void* block = watched.Allocate(2 * kMiB);
  ASSERT_NE(watched.Allocate(kMiB), nullptr);
  EXPECT_EQ(watched.Allocate(1), nullptr);
  void* reserve = watched.Allocate(kMiB);
  EXPECT_NE(reserve, nullptr);
  EXPECT_EQ(watched.Charged(), 4 * kMiB + 3 * kEnd);
  EXPECT_EQ(watched.Allocate(1), nullptr);
  myonly_free(reserve);
  EXPECT_EQ(watched.Charged(), 3 * kMiB + 2 * kEnd);
  myonly_free(watched.Allocate(kMiB));  // as long as it is not below
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_LIMIT});
  myonly_free(block);
  ASSERT_NE(watched.Allocate(2 * kMiB), nullptr);
  EXPECT_EQ(watched.Allocate(kMiB), nullptr);
  EXPECT_EQ(watched.Take(), Events{MYONLY_PRESSURE_LIMIT});
}

// --- Threads and processes. ---

TEST(PressureApiTest, ThreadsTellOfTheirOwnCalls) {
  Watched watched(64 * kMiB, 2 * kMiB);
  static thread_local bool in_call = false;
  std::atomic<size_t> foreign{0};
  watched.then = [&](int32_t) { foreign += in_call ? 0 : 1; };
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        in_call = true;
        void* block = watched.Allocate(3 * kMiB);
        myonly_free(block);
        in_call = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(foreign, 0U);
  const Events events = watched.Take();
  for (size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i],
              i % 2 == 0 ? MYONLY_PRESSURE_SOFT : MYONLY_PRESSURE_RELIEVED);
  }
}

// What another thread of the parent was just telling is not told in the child,
// and in nobody's way.
TEST(PressureApiTest, AChildOfAForkHasItsArenas) {
  Watched watched(0, kMiB);
  std::atomic<int> step{0};
  watched.then = [&](int32_t) {
    if (step != 0) return;
    step = 1;
    while (step != 2) std::this_thread::yield();
  };
  std::thread thread([&] { watched.Allocate(2 * kMiB); });
  while (step != 1) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    step = 3;
    watched.running = 0;
    const myonly_status status =
        myonly_arena_destroy(watched.arena, MYONLY_DESTROY_FREE);
    _exit(status == MYONLY_OK ? 0 : 1);
  }
  step = 2;
  thread.join();
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
