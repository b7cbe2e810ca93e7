// Handles that are stale or never were one, addresses of every kind, and the
// struct of the statistics.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kMiB = size_t{1} << 20;

myonly_arena* NewArena() {
  myonly_arena* arena = nullptr;
  EXPECT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  return arena;
}

// Every function that takes a handle must answer with `expected`.
void ExpectAnswer(myonly_arena* handle, myonly_status expected) {
  const auto expect_null = [expected](void* ptr) {
    EXPECT_EQ(ptr, nullptr);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(myonly_last_status(), expected);
    errno = 0;
  };
  errno = 0;
  size_t actual = 5;
  void* out[2];
  expect_null(myonly_arena_alloc(handle, 10));
  expect_null(myonly_arena_calloc(handle, 1, 10));
  expect_null(myonly_arena_realloc(handle, nullptr, 10));
  expect_null(myonly_arena_aligned_alloc(handle, 64, 10));
  expect_null(myonly_arena_alloc_at_least(handle, 10, 0, &actual));
  EXPECT_EQ(actual, 0u);
  EXPECT_EQ(myonly_arena_alloc_batch(handle, 10, out, 2), 0u);
  EXPECT_EQ(myonly_arena_reset(handle), expected);
  EXPECT_EQ(myonly_arena_destroy(handle, MYONLY_DESTROY_FREE), expected);
  EXPECT_EQ(myonly_arena_destroy(handle, MYONLY_DESTROY_REQUIRE_EMPTY),
            expected);
  // These two take NULL as the process heap.
  if (handle == nullptr) return;
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(handle, &stats), expected);
  EXPECT_EQ(stats.reserved_bytes, 0u);
  EXPECT_EQ(myonly_arena_check(handle), expected);
}

// Blocks of others lie where the arena had its own: what is freed late is in
// the midst of one of them, and the old header is still there.
TEST(ArenaHandleDeathTest, ABlockOfAnArenaThatWasResetIsInsideOfAnother) {
  if (!myonly::internal::kChecksObjects) GTEST_SKIP() << "not checked in fast";
  constexpr size_t kBlocks = 100;
  myonly_arena* arena = NewArena();
  std::vector<char*> stale;
  for (size_t i = 0; i < kBlocks; ++i) {
    stale.push_back(static_cast<char*>(myonly_arena_alloc(arena, 3000)));
  }
  ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  std::vector<char*> live;
  for (size_t i = 0; i < 2 * kBlocks; ++i) {
    live.push_back(static_cast<char*>(myonly_alloc(5000)));
  }
  size_t inside = 0;
  for (char* block : stale) {
    for (const char* other : live) {
      if (block <= other || block >= other + 5000) continue;
      ++inside;
      EXPECT_DEATH(myonly_free(block), "free of an address inside a block");
      EXPECT_DEATH(myonly_realloc(block, 3000), "inside a block");
      if (inside == 3) break;
    }
    if (inside == 3) break;
  }
  EXPECT_NE(inside, 0U) << "the heap lays blocks out otherwise";
  for (char* block : live) myonly_free(block);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// A place in a slab that nobody has been given yet will be somebody's.
TEST(ArenaHandleDeathTest, AnObjectThatWasNeverHandedOutStaysNobodys) {
  if (!myonly::internal::kChecksObjects) GTEST_SKIP() << "not checked in fast";
  std::vector<char*> blocks;
  for (size_t i = 0; i < 40; ++i) {
    blocks.push_back(static_cast<char*>(myonly_alloc(1000)));
  }
  char* last = blocks.back();
  char* never = last + 8 * myonly_usable_size(last);
  const auto slice = [](const char* address) {
    return reinterpret_cast<uintptr_t>(address) >> 15;
  };
  if (slice(never) != slice(last)) GTEST_SKIP() << "the slab is full";
  EXPECT_DEATH(myonly_realloc(never, 990), "myonlymalloc: ");
  EXPECT_DEATH(myonly_free(never), "myonlymalloc: ");
  for (char* block : blocks) myonly_free(block);
}

TEST(ArenaHandleTest, IsStaleAfterDestroy) {
  myonly_arena* arena = NewArena();
  ASSERT_NE(myonly_arena_alloc(arena, 100), nullptr);
  ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  ExpectAnswer(arena, MYONLY_ERR_STALE);
}

TEST(ArenaHandleTest, IsStaleWhenItsPlaceIsAnothers) {
  std::vector<myonly_arena*> stale;
  for (int i = 0; i < 100; ++i) {
    myonly_arena* arena = NewArena();
    for (myonly_arena* old : stale) EXPECT_NE(arena, old);
    ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    stale.push_back(arena);
  }
  myonly_arena* live = NewArena();
  void* block = myonly_arena_alloc(live, 100);
  for (myonly_arena* old : stale) ExpectAnswer(old, MYONLY_ERR_STALE);
  myonly_free(block);
  EXPECT_EQ(myonly_arena_destroy(live, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(ArenaHandleTest, ThatNeverWasOneIsInvalid) {
  myonly_arena* arena = NewArena();
  int local = 0;
  void* heap = malloc(10);
  void* block = myonly_arena_alloc(arena, 10);
  const auto bits = reinterpret_cast<uintptr_t>(arena);
  for (uintptr_t value :
       {uintptr_t{1}, uintptr_t{16}, ~uintptr_t{0}, bits + 1, bits | 8,
        // The right place, a generation to come.
        bits + (uintptr_t{1} << 40), reinterpret_cast<uintptr_t>(&local),
        reinterpret_cast<uintptr_t>(heap), reinterpret_cast<uintptr_t>(block),
        reinterpret_cast<uintptr_t>(&NewArena)}) {
    ExpectAnswer(reinterpret_cast<myonly_arena*>(value), MYONLY_ERR_INVALID);
  }
  ExpectAnswer(nullptr, MYONLY_ERR_INVALID);
  // Also of a thread that has shares of arenas, of which it knows the last.
  for (int i = 0; i < 2; ++i) {
    for (uintptr_t value = 1; value < 256; ++value) {
      ExpectAnswer(reinterpret_cast<myonly_arena*>(value), MYONLY_ERR_INVALID);
    }
    for (int j = 0; j < 1000; ++j) myonly_arena_alloc(arena, 16);
  }
  free(heap);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaHandleTest, WorksInEveryThread) {
  myonly_arena* arena = nullptr;
  void* block = nullptr;
  std::thread([&] {
    arena = NewArena();
    block = myonly_arena_alloc(arena, 100);
  }).join();
  std::thread([&] { myonly_free(block); }).join();
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// What another thread does with the handles of arenas that are being destroyed.
void Meddle(const std::atomic<myonly_arena*>& seen,
            const std::atomic<bool>& stop) {
  const auto expect = [](myonly_status status) {
    EXPECT_TRUE(status == MYONLY_OK || status == MYONLY_ERR_STALE) << status;
  };
  for (int i = 0; !stop; ++i) {
    myonly_arena* handle = seen;
    if (i % 2 == 0) expect(myonly_arena_set_limit(handle, 32 * kMiB));
    if (i % 2 == 1) expect(myonly_arena_reset(handle));
  }
}

TEST(ArenaHandleTest, CallsBesideADestroyTouchNoOtherArena) {
  constexpr int kRounds = 3000;
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.limit_bytes = 64 * kMiB;
  options.name = "seen";
  std::atomic<myonly_arena*> seen{NewArena()};
  ASSERT_EQ(myonly_arena_destroy(seen, MYONLY_DESTROY_FREE), MYONLY_OK);
  std::atomic<bool> stop{false};
  std::thread other([&] { Meddle(seen, stop); });
  for (int i = 0; i < kRounds && !HasFailure(); ++i) {
    myonly_arena* arena = nullptr;
    options.name = "seen";
    EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
    for (int j = 0; j < 20; ++j) myonly_arena_alloc(arena, 70000);
    seen = arena;
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    // One that nobody has seen, in its place.
    options.name = "another";
    EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
    EXPECT_NE(myonly_arena_alloc(arena, 100), nullptr);
    std::this_thread::yield();
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
    EXPECT_EQ(stats.live_blocks, 1u);
    EXPECT_EQ(stats.resets, 0u);
    EXPECT_EQ(stats.limit_bytes, 64 * kMiB);
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  stop = true;
  other.join();
}

// Asks about them: the answer is stale, or about an arena of that name.
class Asker {
 public:
  explicit Asker(const char* name) : name_(name) {}

  void Ask(myonly_arena* handle, int which) {
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    text_.clear();
    switch (which % 6) {
      case 0:
        if (IsAnswer(myonly_arena_stats(handle, &stats))) Expect(stats);
        break;
      case 1:
        if (IsAnswer(myonly_arena_peek(handle, &stats))) Expect(stats);
        break;
      case 2:
        if (IsAnswer(myonly_arena_explain_json(handle, Write, this))) Expect();
        break;
      case 3:
        if (IsAnswer(myonly_arena_stats_write(handle, MYONLY_FORMAT_TEXT, Write,
                                              this))) {
          Expect();
        }
        break;
      case 4:
        if (IsAnswer(myonly_arena_charged(handle, &charged_))) {
          EXPECT_LT(charged_, 2 * kMiB);
        }
        break;
      default:
        IsAnswer(myonly_arena_check(handle));
        IsAnswer(myonly_arena_purge(handle, 0));
    }
  }

 private:
  static void Write(void* ctx, const char* text, size_t length) {
    static_cast<Asker*>(ctx)->text_.append(text, length);
  }
  static bool IsAnswer(myonly_status status) {
    EXPECT_TRUE(status == MYONLY_OK || status == MYONLY_ERR_STALE) << status;
    return status == MYONLY_OK;
  }
  void Expect() const {
    EXPECT_NE(text_.find('"' + name_ + '"'), std::string::npos) << text_;
  }
  void Expect(const myonly_arena_stats_t& stats) const {
    EXPECT_EQ(stats.name, name_);
    EXPECT_LT(stats.charged_bytes, 2 * kMiB);
  }

  const std::string name_;
  std::string text_;
  size_t charged_ = 0;
};

TEST(ArenaHandleTest, QuestionsBesideADestroyTellOfNoOtherArena) {
  constexpr int kRounds = 2000;
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  std::atomic<myonly_arena*> seen{NewArena()};
  ASSERT_EQ(myonly_arena_destroy(seen, MYONLY_DESTROY_FREE), MYONLY_OK);
  std::atomic<bool> stop{false};
  std::thread other([&seen, &stop] {
    Asker asker("seen");
    for (int i = 0; !stop; ++i) asker.Ask(seen, i);
  });
  for (int i = 0; i < kRounds && !HasFailure(); ++i) {
    myonly_arena* arena = nullptr;
    options.name = "seen";
    EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
    EXPECT_NE(myonly_arena_alloc(arena, 70000), nullptr);
    seen = arena;
    if (i % 2 == 0) std::this_thread::yield();
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    options.name = "another";
    EXPECT_EQ(myonly_arena_create(&options, &arena), MYONLY_OK);
    EXPECT_NE(myonly_arena_alloc(arena, 4 * kMiB), nullptr);
    if (i % 2 == 1) std::this_thread::yield();
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  stop = true;
  other.join();
}

constexpr uint64_t kBlocks = 20;  // of each arena that is asked about

// Statistics of an arena that has not changed since it was seen.
void ExpectWhole(myonly_arena* handle, bool peeks) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  size_t charged = 0;
  const myonly_status status = peeks ? myonly_arena_peek(handle, &stats)
                                     : myonly_arena_stats(handle, &stats);
  if (status == MYONLY_OK) {
    EXPECT_EQ(stats.live_blocks, kBlocks) << peeks;
    EXPECT_EQ(stats.large_bytes, kBlocks * 96 * 1024) << peeks;
    EXPECT_EQ(stats.charged_bytes, kBlocks * 96 * 1024) << peeks;
  } else {
    EXPECT_EQ(status, MYONLY_ERR_STALE);
  }
  if (myonly_arena_charged(handle, &charged) == MYONLY_OK) {
    EXPECT_EQ(charged, kBlocks * 96 * 1024);
  }
}

TEST(ArenaHandleTest, QuestionsBesideADestroyTellOfAllOrNothing) {
  constexpr int kRounds = 4000;
  std::atomic<myonly_arena*> seen{NewArena()};
  ASSERT_EQ(myonly_arena_destroy(seen, MYONLY_DESTROY_FREE), MYONLY_OK);
  std::atomic<bool> stop{false};
  std::thread other([&seen, &stop] {
    for (int i = 0; !stop; ++i) ExpectWhole(seen, i % 2 == 0);
  });
  for (int i = 0; i < kRounds && !HasFailure(); ++i) {
    myonly_arena* arena = NewArena();
    for (uint64_t j = 0; j < kBlocks; ++j) myonly_arena_alloc(arena, 70000);
    seen = arena;
    if (i % 2 == 0) std::this_thread::yield();
    EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  stop = true;
  other.join();
}

void ExpectForeign(const void* ptr) {
  int mark;
  auto* owner = reinterpret_cast<myonly_arena*>(&mark);
  EXPECT_EQ(myonly_arena_of(ptr, &owner), MYONLY_ERR_INVALID) << ptr;
  EXPECT_EQ(owner, nullptr);
}

void ExpectOwner(const void* ptr, myonly_arena* expected) {
  int mark;
  auto* owner = reinterpret_cast<myonly_arena*>(&mark);
  EXPECT_EQ(myonly_arena_of(ptr, &owner), MYONLY_OK) << ptr;
  EXPECT_EQ(owner, expected);
}

int global = 0;

// An arena that is destroyed by its parent's callback as soon as its charge has
// fallen: what another thread has freed is only taken in by who asks for it.
class Doomed {
 public:
  Doomed() {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.soft_limit_bytes = 2 * kMiB;
    options.on_pressure = OnPressure;
    options.ctx = this;
    EXPECT_EQ(myonly_arena_create(&options, &parent_), MYONLY_OK);
    myonly_arena_options of_child = MYONLY_ARENA_OPTIONS_INIT;
    of_child.parent = parent_;
    EXPECT_EQ(myonly_arena_create(&of_child, &arena), MYONLY_OK);
    std::vector<void*> blocks(6 * kMiB / kBlock);
    for (void*& block : blocks) block = myonly_arena_alloc(arena, kBlock);
    std::thread([&blocks] {
      for (void* block : blocks) myonly_free(block);
    }).join();
  }
  Doomed(const Doomed&) = delete;
  Doomed& operator=(const Doomed&) = delete;
  ~Doomed() {
    EXPECT_EQ(myonly_arena_destroy(parent_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  myonly_arena* arena = nullptr;
  bool is_destroyed = false;

 private:
  static constexpr size_t kBlock = 100;

  static void OnPressure(void* ctx, myonly_arena*, int32_t event) {
    auto* doomed = static_cast<Doomed*>(ctx);
    if (event != MYONLY_PRESSURE_RELIEVED || doomed->is_destroyed) return;
    EXPECT_EQ(myonly_arena_destroy(doomed->arena, MYONLY_DESTROY_FREE),
              MYONLY_OK);
    doomed->is_destroyed = true;
  }

  myonly_arena* parent_ = nullptr;
};

TEST(ArenaHandleTest, AQuestionInWhichACallbackDestroysTheArenaIsStale) {
  const auto ask = [](myonly_arena* arena, int how) {
    const auto write = [](void*, const char*, size_t) {};
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    if (how == 0) return myonly_arena_check(arena);
    if (how == 1) return myonly_arena_stats(arena, &stats);
    if (how == 2) return myonly_arena_purge(arena, 0);
    return myonly_arena_stats_write(arena, MYONLY_FORMAT_JSON, write, nullptr);
  };
  for (int how = 0; how < 4; ++how) {
    Doomed doomed;
    ASSERT_FALSE(doomed.is_destroyed) << how;
    EXPECT_EQ(ask(doomed.arena, how), MYONLY_ERR_STALE) << how;
    EXPECT_TRUE(doomed.is_destroyed) << how;
  }
}

TEST(ArenaOfTest, ForeignAddressesAreInvalid) {
  int local = 0;
  thread_local int thread_local_value = 0;
  void* mapped =
      mmap(nullptr, 8 * kMiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  ExpectForeign(nullptr);
  ExpectForeign(&local);
  ExpectForeign(&global);
  ExpectForeign(&thread_local_value);
  ExpectForeign("text");
  ExpectForeign(mapped);
  ExpectForeign(static_cast<char*>(mapped) + 5 * kMiB + 1);
  munmap(mapped, 8 * kMiB);
  ExpectForeign(mapped);
  for (int bit = 0; bit < 64; ++bit) {
    ExpectForeign(reinterpret_cast<void*>((uintptr_t{1} << bit) - 1));
  }
  ExpectForeign(reinterpret_cast<void*>(~uintptr_t{0}));
  EXPECT_EQ(myonly_arena_of(&local, nullptr), MYONLY_ERR_INVALID);
}

TEST(ArenaOfTest, EveryByteOfALiveBlockIsItsArenas) {
  myonly_arena* arena = NewArena();
  for (size_t size : {size_t{1}, size_t{5000}, size_t{300000}, 20 * kMiB}) {
    auto* mine = static_cast<char*>(myonly_arena_alloc(arena, size));
    auto* plain = static_cast<char*>(myonly_alloc(size));
    for (size_t offset : {size_t{0}, size / 3, size / 2, size - 1}) {
      ExpectOwner(mine + offset, arena);
      ExpectOwner(plain + offset, nullptr);
    }
    myonly_free(plain);
    myonly_free(mine);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

TEST(ArenaOfTest, FreedBlockBesideALiveOneIsItsArenas) {
  myonly_arena* arena = NewArena();
  void* freed = myonly_arena_alloc(arena, 100);
  ASSERT_NE(myonly_arena_alloc(arena, 100), nullptr);
  myonly_free(freed);
  ExpectOwner(freed, arena);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

TEST(ArenaStatsTest, FieldsAddUp) {
  myonly_arena* arena = NewArena();
  std::vector<void*> blocks;
  uint64_t usable = 0;
  for (size_t size : {size_t{10}, size_t{5000}, size_t{300000}, 20 * kMiB}) {
    for (int i = 0; i < 5; ++i) {
      blocks.push_back(myonly_arena_alloc(arena, size));
      usable += myonly_usable_size(blocks.back());
    }
  }
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  ASSERT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  EXPECT_EQ(stats.live_blocks, blocks.size());
  if (!myonly::internal::kIsSecure) {
    EXPECT_EQ(stats.live_bytes, usable);
  } else {  // with what is kept behind the small ones
    EXPECT_GE(stats.live_bytes, usable + 10 * 8);
    EXPECT_LE(stats.live_bytes, usable + 10 * 200);
  }
  EXPECT_EQ(stats.allocations, blocks.size());
  EXPECT_EQ(stats.frees, 0u);
  EXPECT_EQ(stats.reserved_bytes,
            stats.region_bytes + stats.large_bytes + stats.huge_bytes);
  EXPECT_GE(stats.huge_bytes, 100 * kMiB);
  EXPECT_GE(stats.large_bytes, uint64_t{5} * 300000);
  EXPECT_GT(stats.region_bytes, stats.free_block_bytes);
  EXPECT_LE(stats.live_bytes, stats.reserved_bytes);
  EXPECT_LE(stats.live_bytes + stats.free_block_bytes, stats.reserved_bytes);
  myonly_free_batch(blocks.data(), blocks.size());
  ASSERT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  EXPECT_EQ(stats.live_blocks, 0u);
  EXPECT_EQ(stats.live_bytes, 0u);
  EXPECT_EQ(stats.frees, stats.allocations);
  EXPECT_GE(stats.peak_live_bytes, 100 * kMiB);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY),
            MYONLY_OK);
}

// A caller of an older version has a shorter struct: nothing behind it may be
// written. One of a newer version finds zeros there.
TEST(ArenaStatsTest, WritesWhatTheSizeCovers) {
  struct {
    myonly_arena_stats_t known;
    uint64_t later[4];
  } stats;
  for (size_t size = 8; size <= sizeof(stats); size += 8) {
    memset(&stats, 0xaa, sizeof(stats));
    stats.known.struct_size = static_cast<uint32_t>(size);
    ASSERT_EQ(myonly_arena_stats(nullptr, &stats.known), MYONLY_OK);
    EXPECT_EQ(stats.known.struct_size, size);
    EXPECT_EQ(stats.known.version, 0u);
    const auto* bytes = reinterpret_cast<const unsigned char*>(&stats);
    for (size_t i = size; i < sizeof(stats); ++i) ASSERT_EQ(bytes[i], 0xaa);
    for (size_t i = sizeof(stats.known); i < size; ++i) ASSERT_EQ(bytes[i], 0);
  }
}

TEST(ArenaStatsTest, NeedsAPlaceOfSomeSize) {
  EXPECT_EQ(myonly_arena_stats(nullptr, nullptr), MYONLY_ERR_INVALID);
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  for (uint32_t size : {0, 4, 7}) {
    stats.struct_size = size;
    EXPECT_EQ(myonly_arena_stats(nullptr, &stats), MYONLY_ERR_INVALID);
  }
}

TEST(ArenaStatsTest, OfNullAreTheProcessHeaps) {
  myonly_arena_stats_t before = MYONLY_ARENA_STATS_INIT;
  myonly_arena_stats_t after = MYONLY_ARENA_STATS_INIT;
  ASSERT_EQ(myonly_arena_stats(nullptr, &before), MYONLY_OK);
  void* block = myonly_alloc(100);
  ASSERT_EQ(myonly_arena_stats(nullptr, &after), MYONLY_OK);
  EXPECT_STREQ(after.name, "process");
  EXPECT_EQ(after.allocations, before.allocations + 1);
  EXPECT_EQ(after.live_blocks, before.live_blocks + 1);
  myonly_free(block);
}

}  // namespace
