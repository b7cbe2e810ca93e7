// Explanations: a sum without gaps whatever the arena is and has, and the
// blocks that pin pages.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/support/json.h"

namespace myonly::testing {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSlice = 32 * kKiB;

// What one thread has freed of others and not posted: 16 places of 4 KiB.
constexpr size_t kMostParked = 16 * 4 * kKiB;

bool HasMarks() {
  return myonly_arena_walk(
             nullptr, nullptr,
             [](void*, const myonly_block_info*) { return 1; },
             nullptr) != MYONLY_ERR_UNSUPPORTED;
}

void Append(void* ctx, const char* text, size_t length) {
  EXPECT_GT(length, 0u);
  EXPECT_LE(length, 1024u);
  static_cast<std::string*>(ctx)->append(text, length);
}

std::string Text(myonly_arena* arena) {
  std::string text;
  EXPECT_EQ(myonly_arena_explain(arena, Append, &text), MYONLY_OK);
  return text;
}

uint64_t SumOf(const Json& parts) {
  uint64_t sum = 0;
  for (const auto& [name, part] : parts.members) sum += part.number;
  return sum;
}

// The explanation, after all sums in it have been checked.
Json Explain(myonly_arena* arena) {
  std::string text;
  EXPECT_EQ(myonly_arena_explain_json(arena, Append, &text), MYONLY_OK);
  const Json all = Json::Parse(text);
  const Json& parts = all["parts"];
  EXPECT_EQ(parts.members.size(), 13u) << text;
  const uint64_t held = SumOf(parts) - parts["children"].number;
  EXPECT_EQ(all["held_bytes"].number, held);
  EXPECT_EQ(all["charged_bytes"].number,
            parts["children"].number +
                (all["exact_bytes"].boolean ? parts["live"].number : held));
  uint64_t of_kinds = parts["unaccounted"].number;
  uint64_t live = 0;
  for (const auto& [name, kind] : all["kinds"].members) {
    of_kinds += kind["bytes"].number;
    live += kind["live_bytes"].number;
  }
  EXPECT_GE(of_kinds, held);
  EXPECT_EQ(live, parts["live"].number);
  if (all.Has("given_bytes")) {
    EXPECT_EQ(all["given_bytes"].number, held + all["metadata_bytes"].number +
                                             all["given_free_bytes"].number +
                                             all["given_unused_bytes"].number);
  }
  return all;
}

// The same, when no thread is in a call for the arena, and it has the same
// figures as statistics, which take in what is on its way.
Json ExplainQuiet(myonly_arena* arena) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(myonly_arena_stats(arena, &stats), MYONLY_OK);
  const Json all = Explain(arena);
  EXPECT_EQ(all["parts"]["unaccounted"].number, 0u);
  EXPECT_EQ(all["charged_bytes"].number, stats.charged_bytes);
  EXPECT_EQ(all["held_bytes"].number, stats.reserved_bytes);
  // What a thread has freed and not posted is live in statistics.
  if (HasMarks()) {
    EXPECT_LE(all["parts"]["live"].number, stats.live_bytes);
    EXPECT_GE(all["parts"]["live"].number + kMostParked, stats.live_bytes);
  }
  return all;
}

// An arena, and blocks in it.
class Heap {
 public:
  explicit Heap(const myonly_arena_options& options, void* buffer = nullptr,
                size_t bytes = 0) {
    const myonly_status status =
        buffer == nullptr
            ? myonly_arena_create(&options, &arena_)
            : myonly_arena_create_in(buffer, bytes, &options, &arena_);
    EXPECT_EQ(status, MYONLY_OK);
  }
  ~Heap() {
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  myonly_arena* arena() const { return arena_; }

  // Allocates and frees at random, sizes of every kind; the sum is looked at
  // now and then.
  void Churn(int rounds, size_t most_bytes) {
    std::mt19937 random(static_cast<uint32_t>(rounds));
    std::vector<void*> blocks;
    for (int i = 0; i < rounds; ++i) {
      size_t bytes = random() % 1200;
      if (random() % 16 == 0) bytes = random() % (70 * kKiB);
      if (random() % 128 == 0) bytes = random() % most_bytes;
      void* block = myonly_arena_alloc(arena_, bytes);
      if (block != nullptr) blocks.push_back(block);
      while (!blocks.empty() && random() % 2 == 0) {
        std::swap(blocks[random() % blocks.size()], blocks.back());
        myonly_free(blocks.back());
        blocks.pop_back();
      }
      if (i % 500 == 0) ExplainQuiet(arena_);
      if (i % 1500 == 0) myonly_arena_purge(arena_, 0);
    }
    ExplainQuiet(arena_);
    while (!blocks.empty()) {
      myonly_free(blocks.back());
      blocks.pop_back();
      if (blocks.size() % 256 == 0) ExplainQuiet(arena_);
    }
    ASSERT_EQ(myonly_arena_reset(arena_), MYONLY_OK);
    EXPECT_EQ(ExplainQuiet(arena_)["parts"]["live"].number, 0u);
  }

 private:
  myonly_arena* arena_ = nullptr;
};

myonly_arena_options Options() { return MYONLY_ARENA_OPTIONS_INIT; }

TEST(ExplainTest, AddsUpInAnEmptyArena) {
  Heap heap(Options());
  const Json all = ExplainQuiet(heap.arena());
  EXPECT_EQ(all["charged_bytes"].number, 0u);
  EXPECT_TRUE(all["pins"].items.empty());
}

TEST(ExplainTest, AddsUpInAnArenaOfTheProcess) {
  Heap(Options()).Churn(6000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpUnderALimit) {
  myonly_arena_options options = Options();
  options.limit_bytes = 2 * kMiB;
  Heap(options).Churn(4000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpWhereBytesAreCounted) {
  myonly_arena_options options = Options();
  options.flags = MYONLY_ARENA_EXACT_BYTES;
  Heap(options).Churn(3000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpWhereResetPoisons) {
  myonly_arena_options options = Options();
  options.flags = MYONLY_ARENA_POISON_ON_RESET;
  Heap(options).Churn(3000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpInABufferOfTheProgram) {
  std::vector<char> buffer(3 * kMiB + 12345);
  for (size_t bytes : {64 * kKiB, size_t{100001}, buffer.size() - 1}) {
    Heap heap(Options(), buffer.data() + 1, bytes);
    heap.Churn(3000, kMiB);
    EXPECT_EQ(Explain(heap.arena())["given_bytes"].number, bytes);
  }
}

TEST(ExplainTest, AddsUpOverPageFunctions) {
  myonly_page_source pages = MYONLY_PAGE_SOURCE_INIT;
  size_t reserved = 0;
  pages.ctx = &reserved;
  pages.reserve = [](void* ctx, size_t bytes, size_t alignment) -> void* {
    *static_cast<size_t*>(ctx) += bytes;
    void* memory = aligned_alloc(alignment, bytes);
    if (memory != nullptr) memset(memory, 0, bytes);
    return memory;
  };
  pages.release = [](void*, void* start, size_t) {
    free(start);
    return 1;
  };
  myonly_arena_options options = Options();
  options.pages = &pages;
  Heap heap(options);
  heap.Churn(3000, kMiB);
  EXPECT_GE(reserved, 2 * kMiB);
  EXPECT_EQ(Explain(heap.arena())["given_bytes"].number, reserved);
}

TEST(ExplainTest, AddsUpInTheProcessHeap) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < 3000; ++i) {
    blocks.push_back(myonly_alloc(i * 37 % 3000));
    if (i % 500 == 0) blocks.push_back(myonly_alloc(i * kKiB));
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 3 != 0) myonly_free(blocks[i]);
  }
  const Json all = ExplainQuiet(nullptr);
  EXPECT_EQ(all["arena"].text, "process");
  for (size_t i = 0; i < blocks.size(); i += 3) myonly_free(blocks[i]);
  ExplainQuiet(nullptr);
}

TEST(ExplainTest, ChargesWhatTheChildrenHoldToThem) {
  Heap parent(Options());
  myonly_arena_options options = Options();
  options.parent = parent.arena();
  options.name = "child";
  Heap child(options);
  ASSERT_NE(myonly_arena_alloc(parent.arena(), 100), nullptr);
  ASSERT_NE(myonly_arena_alloc(child.arena(), 100 * kKiB), nullptr);
  const Json of_child = ExplainQuiet(child.arena());
  EXPECT_EQ(of_child["charged_bytes"].number, 128 * kKiB);
  const Json all = Explain(parent.arena());
  EXPECT_EQ(all["parts"]["children"].number, 128 * kKiB);
  EXPECT_EQ(all["charged_bytes"].number, 128 * kKiB + kSlice);
  EXPECT_EQ(all["held_bytes"].number, kSlice);
}

TEST(ExplainTest, TellsLargeAndHugeBlocksApart) {
  Heap heap(Options());
  ASSERT_NE(myonly_arena_alloc(heap.arena(), 70000), nullptr);
  ASSERT_NE(myonly_arena_alloc(heap.arena(), 20 * kMiB), nullptr);
  const Json all = ExplainQuiet(heap.arena());
  EXPECT_EQ(all["kinds"]["large"]["bytes"].number, 3 * kSlice);
  EXPECT_EQ(all["kinds"]["large"]["live_bytes"].number, 18 * 4 * kKiB);
  EXPECT_EQ(all["parts"]["rounding"].number, 3 * kSlice - 18 * 4 * kKiB);
  EXPECT_EQ(all["kinds"]["huge"]["bytes"].number, 20 * kMiB);
  EXPECT_EQ(all["kinds"]["huge"]["count"].number, 1u);
}

// Fills an arena with blocks of one size until the thread has a share of it and
// the class has slabs.
std::vector<void*> Fill(myonly_arena* arena, size_t bytes, size_t count) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(myonly_arena_alloc(arena, bytes));
    EXPECT_NE(blocks.back(), nullptr);
  }
  return blocks;
}

TEST(ExplainTest, ShowsWhatWaitsInTheListsOfAThread) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  Heap heap(Options());
  std::vector<void*> blocks = Fill(heap.arena(), 64, 2000);
  const Json before = ExplainQuiet(heap.arena());
  // One page of objects is carved at a time: 64 of them.
  EXPECT_LT(before["parts"]["thread_lists"].number, 4 * kKiB);
  for (void* block : blocks) myonly_free(block);
  const Json after = ExplainQuiet(heap.arena());
  EXPECT_EQ(after["parts"]["live"].number, 0u);
  EXPECT_EQ(after["parts"]["headers"].number, 0u);
  EXPECT_EQ(after["parts"]["remote_queues"].number, 0u);
}

TEST(ExplainTest, ShowsWhatIsOnItsWayToItsOwner) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  Heap heap(Options());
  constexpr size_t kCount = 4000;
  constexpr size_t kBytes = 128;
  std::vector<void*> blocks = Fill(heap.arena(), kBytes, kCount);
  const uint64_t live = ExplainQuiet(heap.arena())["parts"]["live"].number;
  std::thread other([&blocks] {
    for (void* block : blocks) myonly_free(block);
  });
  other.join();
  // What the other thread freed has been posted, and this thread, whose it is,
  // has made no call that takes it in. Few were blocks of the common part.
  const Json all = Explain(heap.arena());
  EXPECT_EQ(all["parts"]["unaccounted"].number, 0u);
  EXPECT_EQ(all["parts"]["live"].number, 0u);
  EXPECT_GT(all["parts"]["remote_queues"].number, live * 8 / 10);
  EXPECT_LE(all["parts"]["remote_queues"].number, live);
  // Statistics take it in.
  const Json after = ExplainQuiet(heap.arena());
  EXPECT_EQ(after["parts"]["live"].number, 0u);
  EXPECT_EQ(after["parts"]["remote_queues"].number, 0u) << Text(heap.arena());
}

TEST(ExplainTest, TellsDirtyPagesFromPurgedOnes) {
  Heap heap(Options());
  void* block = myonly_arena_alloc(heap.arena(), 60 * kKiB);
  void* stays = myonly_arena_alloc(heap.arena(), 100);
  ASSERT_NE(stays, nullptr);
  myonly_free(block);
  const Json before = ExplainQuiet(heap.arena());
  EXPECT_GE(before["parts"]["dirty"].number, 56 * kKiB);
  EXPECT_EQ(before["parts"]["clean"].number, 0u);
  ASSERT_EQ(myonly_arena_purge(heap.arena(), 0), MYONLY_OK);
  const Json after = ExplainQuiet(heap.arena());
  EXPECT_EQ(after["parts"]["dirty"].number, 0u);
  EXPECT_EQ(after["parts"]["clean"].number, before["parts"]["dirty"].number);
}

TEST(ExplainTest, FindsTheBlockThatKeepsARegion) {
  Heap heap(Options());
  std::vector<void*> blocks;
  for (int i = 0; i < 8; ++i) {
    blocks.push_back(myonly_arena_alloc(heap.arena(), 30 * kKiB));
  }
  void* pin = myonly_arena_alloc(heap.arena(), 200);
  for (void* block : blocks) myonly_free(block);
  const Json all = ExplainQuiet(heap.arena());
  ASSERT_FALSE(all["pins"].items.empty());
  const Json& first = all["pins"].items[0];
  char address[32];
  snprintf(address, sizeof(address), "%p", pin);
  EXPECT_EQ(first["address"].text, address);
  EXPECT_EQ(first["bytes"].number, myonly_usable_size(pin));
  // The only live block: its whole region would go.
  const Json& sparse = all["sparse"].items[0];
  EXPECT_EQ(sparse["kind"].text, "region");
  EXPECT_GE(first["pages"].number, 8u);
  EXPECT_NE(Text(heap.arena()).find(address), std::string::npos);
}

// Two live blocks with free ones around: each pins the pages that the free
// blocks beside it would have more.
TEST(ExplainTest, CountsPagesThatOnlyOneBlockKeeps) {
  Heap heap(Options());
  void* first = myonly_arena_alloc(heap.arena(), 100);
  void* gap = myonly_arena_alloc(heap.arena(), 6000);
  void* pin = myonly_arena_alloc(heap.arena(), 16);
  void* behind = myonly_arena_alloc(heap.arena(), 6000);
  void* last = myonly_arena_alloc(heap.arena(), 5000);
  ASSERT_NE(last, nullptr);
  ASSERT_LT(first, gap);
  ASSERT_LT(gap, pin);
  myonly_free(gap);
  myonly_free(behind);
  const Json all = ExplainQuiet(heap.arena());
  char address[32];
  snprintf(address, sizeof(address), "%p", pin);
  uint64_t pages = 0;
  for (const Json& item : all["pins"].items) {
    if (item["address"].text == address) pages = item["pages"].number;
  }
  // From 136 to 12,208 or so: pages 1 and 2. Of each gap alone: none and 1.
  EXPECT_EQ(pages, 1u) << Text(heap.arena());
}

TEST(ExplainTest, FindsTheObjectThatKeepsASlab) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  Heap heap(Options());
  std::vector<void*> blocks = Fill(heap.arena(), 48, 3000);
  // One of a slab in the middle stays.
  void* pin = blocks[1500];
  for (void* block : blocks) {
    if (block != pin) myonly_free(block);
  }
  const Json all = ExplainQuiet(heap.arena());
  ASSERT_EQ(all["pins"].items.size(), 1u);
  char address[32];
  snprintf(address, sizeof(address), "%p", pin);
  EXPECT_EQ(all["pins"].items[0]["address"].text, address);
  EXPECT_EQ(all["pins"].items[0]["pages"].number, 8u);
  EXPECT_EQ(all["pins"].items[0]["bytes"].number, 48u);
}

TEST(ExplainTest, SaysWhatIsWrongWithACall) {
  EXPECT_EQ(myonly_arena_explain(nullptr, nullptr, nullptr),
            MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_explain_json(nullptr, nullptr, nullptr),
            MYONLY_ERR_INVALID);
  myonly_arena* arena;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  ASSERT_EQ(myonly_arena_destroy(arena, 0), MYONLY_OK);
  std::string text;
  EXPECT_EQ(myonly_arena_explain(arena, Append, &text), MYONLY_ERR_STALE);
  EXPECT_EQ(
      myonly_arena_explain(reinterpret_cast<myonly_arena*>(1), Append, &text),
      MYONLY_ERR_INVALID);
  EXPECT_EQ(text, "");
}

// A name as bad as it can be is one word of text, and JSON.
TEST(ExplainTest, QuotesTheName) {
  myonly_arena_options options = Options();
  options.name = "a\"b\\c\nd\te\xff\xc3\xa9";
  Heap heap(options);
  EXPECT_EQ(Explain(heap.arena())["arena"].text,
            "a\"b\\c\nd\xEF\xBF\xBD"
            "e\xEF\xBF\xBD\xc3\xa9");
}

// The callback may do what it likes, also to the arena.
TEST(ExplainTest, HoldsNoLockWhileItWrites) {
  Heap heap(Options());
  const auto write = [](void* ctx, const char*, size_t) {
    auto* arena = static_cast<myonly_arena*>(ctx);
    myonly_free(myonly_arena_alloc(arena, 5000));
    myonly_free(myonly_alloc(50));
    EXPECT_EQ(myonly_arena_reset(arena), MYONLY_OK);
    myonly_arena* other;
    ASSERT_EQ(myonly_arena_create(nullptr, &other), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(other, 0), MYONLY_OK);
  };
  EXPECT_EQ(myonly_arena_explain(heap.arena(), write, heap.arena()), MYONLY_OK);
  EXPECT_EQ(myonly_stats_write(MYONLY_FORMAT_PROMETHEUS, write, heap.arena()),
            MYONLY_OK);
}

// --- Beside threads. ---

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kLooks = 30;
#else
constexpr int kLooks = 200;
#endif

// Allocates in the arena, or else the process heap, and frees what the thread
// beside it has allocated.
void Work(myonly_arena* arena, unsigned seed, std::atomic<void*>* slots,
          const std::atomic<bool>& stop) {
  std::mt19937 random(seed);
  while (!stop.load(std::memory_order_relaxed)) {
    size_t bytes = random() % 600;
    if (random() % 32 == 0) bytes = random() % (100 * kKiB);
    void* block = arena == nullptr ? myonly_alloc(bytes)
                                   : myonly_arena_alloc(arena, bytes);
    if (block != nullptr) memset(block, 0x5a, bytes);
    myonly_free(slots[random() % 512].exchange(block));
  }
}

void LookBesideThreads(myonly_arena* arena) {
  constexpr unsigned kThreads = 4;
  std::vector<std::atomic<void*>> slots(512);
  for (auto& slot : slots) slot = nullptr;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back(Work, arena, i, slots.data(), std::cref(stop));
  }
  for (int i = 0; i < kLooks; ++i) {
    Explain(arena);
    std::string text;
    EXPECT_EQ(
        myonly_arena_stats_write(arena, MYONLY_FORMAT_JSON, Append, &text),
        MYONLY_OK);
    EXPECT_TRUE(Json::Parse(text).Has("live_bytes"));
    EXPECT_EQ(myonly_stats_write(i % 3, Append, &text), MYONLY_OK);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (auto& slot : slots) myonly_free(slot);
  ExplainQuiet(arena);
}

TEST(ExplainTest, AddsUpWhileThreadsUseTheArena) {
  Heap heap(Options());
  LookBesideThreads(heap.arena());
}

TEST(ExplainTest, AddsUpWhileThreadsUseAnArenaAtItsLimit) {
  myonly_arena_options options = Options();
  options.limit_bytes = 2 * kMiB;
  Heap heap(options);
  LookBesideThreads(heap.arena());
}

TEST(ExplainTest, AddsUpWhileThreadsUseTheProcessHeap) {
  LookBesideThreads(nullptr);
}

}  // namespace
}  // namespace myonly::testing
