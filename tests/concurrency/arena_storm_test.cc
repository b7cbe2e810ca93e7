// Sixteen threads that come and go create, use, reset and destroy arenas of one
// tree, and free each other's blocks. Who resets or destroys an arena is alone
// with it, as its header asks; everything else happens at the same time.
//
// Two seconds; TEST_SECONDS makes it longer, TEST_SEED repeats
// one.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/testing.h"

namespace myonly::testing {
namespace {

constexpr size_t kThreads = 16;
constexpr size_t kPlaces = 24;
constexpr size_t kShelf = 64;
constexpr size_t kKiB = 1024;
constexpr size_t kServiceLimit = 96 * kKiB * kKiB;
constexpr size_t kBufferBytes = 200 * kKiB;

// What is in a block: its size, something that depends on its address, and its
// last byte.
struct Content {
  uint64_t size;
  uint64_t check;
};

uint64_t CheckOf(const void* block, uint64_t size) {
  return (reinterpret_cast<uintptr_t>(block) ^ size) * 0x9e3779b97f4a7c15;
}

void Write(void* block, size_t size) {
  const Content content = {size, CheckOf(block, size)};
  memcpy(block, &content, sizeof(content));
  if (size > sizeof(content)) static_cast<char*>(block)[size - 1] = 77;
}

bool Holds(const void* block, size_t* size) {
  Content content;
  memcpy(&content, block, sizeof(content));
  *size = content.size;
  return content.check == CheckOf(block, content.size) &&
         (content.size == sizeof(content) ||
          static_cast<const char*>(block)[content.size - 1] == 77);
}

// Page functions over mmap.
myonly_page_source MappedPages() {
  myonly_page_source pages = MYONLY_PAGE_SOURCE_INIT;
  pages.reserve = [](void*, size_t bytes, size_t) {
    void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? nullptr : start;
  };
  pages.purge = [](void*, void* start, size_t bytes) {
    return madvise(start, bytes, MADV_DONTNEED) == 0 ? 1 : 0;
  };
  pages.release = [](void*, void* start, size_t bytes) {
    return munmap(start, bytes) == 0 ? 1 : 0;
  };
  return pages;
}

// One arena. Shared: it is used; alone: it is created, reset and destroyed.
struct Place {
  std::shared_mutex use;
  myonly_arena* arena = nullptr;
  size_t limit = 0;
  std::atomic<void*> shelf[kShelf] = {};
  std::vector<char> buffer;
};

class Storm {
 public:
  explicit Storm(uint32_t seed) : seed_(seed) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.limit_bytes = kServiceLimit;
    options.name = "service";
    Expect(myonly_arena_create(&options, &service_) == MYONLY_OK, "create");
  }

  void RunFor(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    std::vector<std::thread> threads(kThreads);
    uint32_t number = seed_;
    const auto start = [&](std::thread& thread) {
      thread = std::thread([this, n = number++, end] { Live(n, end); });
    };
    for (std::thread& thread : threads) start(thread);
    for (size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
      threads[i % kThreads].join();
      start(threads[i % kThreads]);
    }
    for (std::thread& thread : threads) thread.join();
    lives_ = number - seed_;
  }

  void End() {
    for (Place& place : places_) {
      if (place.arena != nullptr) Destroy(place, nullptr);
    }
    size_t charged = 1;
    Expect(myonly_arena_charged(service_, &charged) == MYONLY_OK, "charged");
    Expect(charged == 0, "the service holds nothing");
    Expect(myonly_arena_check(nullptr) == MYONLY_OK, "check of the process");
    Expect(myonly_arena_destroy(service_, MYONLY_DESTROY_REQUIRE_EMPTY) ==
               MYONLY_OK,
           "destroy of the service");
  }

  void Print() const {
    printf(
        "seed %u: %zu threads, %zu steps, %zu created, %zu reset, "
        "%zu stale calls, %zu refused\n",
        seed_, lives_, steps_.load(), created_.load(), resets_.load(),
        stale_calls_.load(), refused_.load());
  }
  const char* wrong() const { return wrong_; }
  size_t created() const { return created_; }
  size_t refused() const { return refused_; }

 private:
  void Expect(bool holds, const char* what) {
    if (!holds) wrong_ = what;
  }

  // Of a thread: a hundred steps.
  void Live(uint32_t number, std::chrono::steady_clock::time_point end) {
    std::minstd_rand random(number * 7919 + 1);
    for (int i = 0; i < 100 && std::chrono::steady_clock::now() < end; ++i) {
      Step(random);
      size_t charged = 0;
      Expect(myonly_arena_charged(service_, &charged) == MYONLY_OK, "charged");
      Expect(charged <= kServiceLimit, "the service's limit holds");
      ++steps_;
    }
  }

  void Step(std::minstd_rand& random) {
    Place& place = places_[random() % kPlaces];
    const size_t what = random() % 100;
    if (what < 4) {
      const std::unique_lock<std::shared_mutex> alone(place.use);
      if (place.arena == nullptr) return Create(place, random);
      return what < 2 ? Destroy(place, &random) : Reset(place);
    }
    if (what < 8) return CallStale(random);
    if (what > 97) return myonly_thread_idle();
    const std::shared_lock<std::shared_mutex> shared(place.use);
    if (place.arena == nullptr) return;
    if (what < 10) return Look(place, random);
    if (what < 12) return ForbidOneself(place);
    for (int i = 0; i < 40; ++i) Use(place, random);
    size_t charged = 0;
    Expect(myonly_arena_charged(place.arena, &charged) == MYONLY_OK &&
               (place.limit == 0 || charged <= place.limit),
           "an arena's limit holds");
  }

  void Create(Place& place, std::minstd_rand& random) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.parent = random() % 4 == 0 ? nullptr : service_;
    place.limit = random() % 2 == 0 ? 0 : (1 + random() % 200) * 32 * kKiB;
    options.limit_bytes = place.limit;
    if (options.parent == nullptr && random() % 3 == 0) {
      options.flags = random() % 2 == 0 ? MYONLY_ARENA_EXACT_BYTES
                                        : MYONLY_ARENA_POISON_ON_RESET;
    }
    const myonly_page_source pages = MappedPages();
    myonly_status status;
    const size_t memory = random() % 8;
    if (memory < 2) options.flags &= MYONLY_ARENA_EXACT_BYTES;
    if (memory == 0) {
      place.buffer.resize(kBufferBytes);
      status = myonly_arena_create_in(place.buffer.data(), kBufferBytes,
                                      &options, &place.arena);
    } else {
      if (memory == 1) options.pages = &pages;
      status = myonly_arena_create(&options, &place.arena);
    }
    Expect(status == MYONLY_OK, "create");
    if (random() % 6 == 0) {
      myonly_fault_options faults = MYONLY_FAULT_OPTIONS_INIT;
      faults.seed = random();
      faults.probability = 0.03;
      Expect(myonly_fault_begin(place.arena, &faults) == MYONLY_OK, "faults");
    }
    ++created_;
  }

  void EmptyShelf(Place& place, bool frees) {
    for (std::atomic<void*>& slot : place.shelf) {
      void* block = slot.exchange(nullptr);
      if (block == nullptr) continue;
      size_t size;
      Expect(Holds(block, &size), "a block holds what was written");
      if (frees) myonly_free(block);
    }
  }

  void ExpectNothingIn(myonly_arena* arena) {
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    Expect(myonly_arena_stats(arena, &stats) == MYONLY_OK, "stats");
    Expect(stats.live_blocks == 0 && stats.live_bytes == 0,
           "nothing is live after a reset");
    Expect(stats.charged_bytes == 0, "nothing is charged after a reset");
    Expect(stats.allocations == stats.frees, "all was freed by a reset");
  }

  void Reset(Place& place) {
    EmptyShelf(place, false);
    Expect(myonly_arena_reset(place.arena) == MYONLY_OK, "reset");
    ExpectNothingIn(place.arena);
    ++resets_;
  }

  void Destroy(Place& place, std::minstd_rand* random) {
    const bool frees = random == nullptr || (*random)() % 2 == 0;
    EmptyShelf(place, frees);
    // Of threads that live shares are as they were at their last slow path.
    Expect(myonly_arena_destroy(place.arena,
                                frees ? MYONLY_DESTROY_REQUIRE_EMPTY
                                      : MYONLY_DESTROY_FREE) == MYONLY_OK,
           "destroy");
    const std::lock_guard<std::mutex> lock(stale_mutex_);
    if (stale_.size() < 10000) {
      stale_.push_back(place.arena);
    } else {
      stale_[created_ % stale_.size()] = place.arena;
    }
    place.arena = nullptr;
  }

  // A handle of before: its slot may have another arena by now.
  void CallStale(std::minstd_rand& random) {
    myonly_arena* stale;
    {
      const std::lock_guard<std::mutex> lock(stale_mutex_);
      if (stale_.empty()) return;
      stale = stale_[random() % stale_.size()];
    }
    myonly_status status = MYONLY_OK;
    size_t value;
    switch (random() % 6) {
      case 0:
        status = myonly_arena_reset(stale);
        break;
      case 1:
        status = myonly_arena_destroy(stale, MYONLY_DESTROY_FREE);
        break;
      case 2:
        status = myonly_arena_charged(stale, &value);
        break;
      case 3:
        status = myonly_arena_purge(stale, 0);
        break;
      case 4:
        status = myonly_arena_check(stale);
        break;
      default:
        if (myonly_arena_alloc(stale, 100) == nullptr) {
          status = myonly_last_status();
        }
    }
    Expect(status == MYONLY_ERR_STALE, "a stale handle is answered so");
    ++stale_calls_;
  }

  void Look(Place& place, std::minstd_rand& random) {
    myonly_status status = MYONLY_OK;
    size_t bytes = 0;
    switch (random() % 4) {
      case 0:
        status = myonly_arena_check(place.arena);
        break;
      case 1:
        status = myonly_arena_walk(
            place.arena, nullptr,
            [](void* ctx, const myonly_block_info* block) {
              *static_cast<size_t*>(ctx) += block->size;
              return 0;
            },
            &bytes);
        if (status == MYONLY_ERR_UNSUPPORTED) status = MYONLY_OK;
        break;
      case 2:
        status = myonly_arena_purge(place.arena, 100 * kKiB);
        break;
      default:
        myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
        status = myonly_arena_stats(place.arena, &stats);
    }
    Expect(status == MYONLY_OK, "a look at a live arena");
  }

  void ForbidOneself(Place& place) {
    Expect(myonly_no_alloc_begin(MYONLY_NO_ALLOC_REFUSE) == MYONLY_OK, "begin");
    Expect(myonly_arena_alloc(place.arena, 10) == nullptr &&
               myonly_alloc(10) == nullptr,
           "nothing is allocated in a section without allocation");
    Expect(myonly_no_alloc_end() == MYONLY_OK, "end");
    void* block = myonly_alloc(10);
    Expect(block != nullptr, "behind it there is");
    myonly_free(block);
  }

  static size_t RandomSize(std::minstd_rand& random) {
    const size_t most = size_t{64} << random() % (random() % 20 == 0 ? 16 : 9);
    return sizeof(Content) + random() % most;
  }

  // Takes a block from the shelf, whoever made it, and puts another one there.
  void Use(Place& place, std::minstd_rand& random) {
    std::atomic<void*>& slot = place.shelf[random() % kShelf];
    void* block = slot.exchange(nullptr);
    size_t size = 0;
    if (block != nullptr) {
      Expect(Holds(block, &size), "a block holds what was written");
      if (random() % 8 != 0) {
        myonly_free(block);
        block = nullptr;
      }
    }
    const size_t wanted = RandomSize(random);
    void* made = Allocate(place.arena, block, wanted, random);
    if (made == nullptr) {
      const myonly_status status = myonly_last_status();
      Expect(status == MYONLY_ERR_QUOTA || status == MYONLY_ERR_NOMEM,
             "a refusal has a reason");
      ++refused_;
      if (block == nullptr) return;
      Expect(Holds(block, &size), "a failed realloc keeps the block");
      made = block;
    } else {
      Write(made, wanted);
    }
    myonly_free(slot.exchange(made));
  }

  static void* Allocate(myonly_arena* arena, void* block, size_t size,
                        std::minstd_rand& random) {
    if (block != nullptr) return myonly_arena_realloc(arena, block, size);
    void* made[3];
    size_t actual;
    switch (random() % 8) {
      case 0:
        return myonly_arena_calloc(arena, 1, size);
      case 1:
        return myonly_arena_aligned_alloc(arena, size_t{16} << random() % 10,
                                          size);
      case 2:
        return myonly_arena_alloc_at_least(arena, size, 0, &actual);
      case 3: {
        const size_t count = myonly_arena_alloc_batch(arena, size, made, 3);
        if (count > 1) myonly_free_batch(made + 1, count - 1);
        return count == 0 ? nullptr : made[0];
      }
      default:
        return myonly_arena_alloc(arena, size);
    }
  }

  const uint32_t seed_;
  myonly_arena* service_ = nullptr;
  Place places_[kPlaces];
  std::mutex stale_mutex_;
  std::vector<myonly_arena*> stale_;
  std::atomic<const char*> wrong_{nullptr};
  std::atomic<size_t> steps_{0};
  std::atomic<size_t> created_{0};
  std::atomic<size_t> resets_{0};
  std::atomic<size_t> stale_calls_{0};
  std::atomic<size_t> refused_{0};
  size_t lives_ = 0;
};

unsigned long FromEnvironment(const char* name, unsigned long otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : strtoul(text, nullptr, 10);
}

TEST(ArenaStormTest, EverythingAtOnceKeepsEveryPromise) {
  const std::chrono::seconds time(FromEnvironment("TEST_SECONDS", 2));
  Storm storm(static_cast<uint32_t>(FromEnvironment("TEST_SEED", 20261126)));
  storm.RunFor(time);
  storm.End();
  storm.Print();
  EXPECT_STREQ(storm.wrong(), nullptr);
  EXPECT_GT(storm.created(), 10u);
  EXPECT_GT(storm.refused(), 0u);
}

// Each thread has large blocks, which it frees, resizes and gives to another
// arena of the tree while all others do the same.
TEST(ArenaStormTest, BlocksChangeTheirArenaWhileOthersWork) {
  constexpr size_t kArenas = 4;
  constexpr size_t kLimit = 40 * kKiB * kKiB;
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(FromEnvironment("TEST_SECONDS", 1));
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.limit_bytes = kLimit;
  myonly_arena* parent = nullptr;
  ASSERT_EQ(myonly_arena_create(&options, &parent), MYONLY_OK);
  myonly_arena* arenas[kArenas];
  for (myonly_arena*& arena : arenas) {
    options.limit_bytes = kLimit / 2;
    options.parent = parent;
    ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
  }
  std::atomic<size_t> wrong{0};
  std::atomic<size_t> moved{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(t + 1);
      void* blocks[20] = {};
      while (std::chrono::steady_clock::now() < end) {
        void*& block = blocks[random() % 20];
        size_t size;
        if (block != nullptr && !Holds(block, &size)) ++wrong;
        myonly_arena* arena = arenas[random() % kArenas];
        if (block == nullptr) {
          size = 66000 + random() % 400000;
          block = myonly_arena_alloc(arena, size);
          if (block != nullptr) Write(block, size);
        } else if (random() % 3 != 0) {
          const myonly_status status = myonly_arena_transfer(block, arena);
          if (status != MYONLY_OK && status != MYONLY_ERR_QUOTA) ++wrong;
          moved += status == MYONLY_OK ? 1 : 0;
        } else {
          myonly_free(block);
          block = nullptr;
        }
        size_t charged = 0;
        if (myonly_arena_charged(parent, &charged) != MYONLY_OK ||
            charged > kLimit) {
          ++wrong;
        }
      }
      for (void* block : blocks) myonly_free(block);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(moved, 10u);
  for (myonly_arena* arena : arenas) {
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(parent, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// What is freed is charged until its pages are back: no check may take that for
// a lost charge.
TEST(ArenaStormTest, AChargeOnItsWayBackIsNoBrokenInvariant) {
  for (const uint64_t flags : {uint64_t{0}, MYONLY_ARENA_EXACT_BYTES}) {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.flags = flags;
    myonly_arena* arena = nullptr;
    ASSERT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        while (!done) myonly_free(myonly_arena_alloc(arena, (100 + t) * kKiB));
      });
    }
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    size_t broken = 0;
    while (std::chrono::steady_clock::now() < end) {
      const char* what = nullptr;
      broken += myonly_arena_check_at(arena, &what, nullptr) != MYONLY_OK;
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(broken, 0u);
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
}

// A block that another thread frees is not live any more, and comes home later.
TEST(ArenaStormTest, ABlockOnItsWayHomeIsNoBrokenInvariant) {
  constexpr size_t kBlocks = 4000;
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  size_t broken = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<void*> blocks;
    for (size_t i = 0; i < kBlocks; ++i) {
      blocks.push_back(myonly_arena_alloc(arena, 2000));
    }
    std::atomic<bool> done{false};
    std::thread other([&] {
      for (void* block : blocks) myonly_free(block);
      done = true;
    });
    while (!done) broken += myonly_arena_check(arena) != MYONLY_OK;
    other.join();
  }
  EXPECT_EQ(broken, 0u);
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

}  // namespace
}  // namespace myonly::testing
