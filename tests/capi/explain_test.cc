// Explanations: a sum without gaps whatever the arena is and has, and the
// blocks that pin pages.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "tests/capi/explanation.h"
#include "tests/support/json.h"

namespace myonly::testing {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kSlowness = 4;
#else
constexpr int kSlowness = 1;
#endif

// What the preset secure keeps behind blocks of most sizes here, at least.
constexpr size_t kBehind = internal::kIsSecure ? 16 : 0;

// Allocates and frees at random, sizes of every kind; the sum is looked at
// now and then.
void Churn(myonly_arena* arena, int rounds, size_t most_bytes) {
  std::mt19937 random(static_cast<uint32_t>(rounds));
  std::vector<void*> blocks;
  for (int i = 0; i < rounds / kSlowness; ++i) {
    size_t bytes = random() % 1200;
    if (random() % 16 == 0) bytes = random() % (70 * kKiB);
    if (random() % 128 == 0) bytes = random() % most_bytes;
    void* block = myonly_arena_alloc(arena, bytes);
    if (block != nullptr) blocks.push_back(block);
    while (!blocks.empty() && random() % 2 == 0) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      myonly_free(blocks.back());
      blocks.pop_back();
    }
    if (i % 500 == 0) ExplainQuiet(arena);
    if (i % 1500 == 0) myonly_arena_purge(arena, 0);
  }
  ExplainQuiet(arena);
  while (!blocks.empty()) {
    myonly_free(blocks.back());
    blocks.pop_back();
    if (blocks.size() % 256 == 0) ExplainQuiet(arena);
  }
  ASSERT_EQ(myonly_arena_reset(arena), MYONLY_OK);
  EXPECT_EQ(ExplainQuiet(arena)["parts"]["live"].number, 0u);
}

TEST(ExplainTest, AddsUpInAnEmptyArena) {
  Heap heap(Options());
  const Json all = ExplainQuiet(heap.arena());
  EXPECT_EQ(all["charged_bytes"].number, 0u);
  EXPECT_TRUE(all["pins"].items.empty());
}

TEST(ExplainTest, AddsUpInAnArenaOfTheProcess) {
  Churn(Heap(Options()).arena(), 6000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpUnderALimit) {
  myonly_arena_options options = Options();
  options.limit_bytes = 2 * kMiB;
  Churn(Heap(options).arena(), 4000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpWhereBytesAreCounted) {
  myonly_arena_options options = Options();
  options.flags = MYONLY_ARENA_EXACT_BYTES;
  Churn(Heap(options).arena(), 3000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpWhereResetPoisons) {
  myonly_arena_options options = Options();
  options.flags = MYONLY_ARENA_POISON_ON_RESET;
  Churn(Heap(options).arena(), 3000, 20 * kMiB);
}

TEST(ExplainTest, AddsUpInABufferOfTheProgram) {
  std::vector<char> buffer(3 * kMiB + 12345);
  for (size_t bytes : {64 * kKiB, size_t{100001}, buffer.size() - 1}) {
    Heap heap(Options(), buffer.data() + 1, bytes);
    Churn(heap.arena(), 3000, kMiB);
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
  Churn(heap.arena(), 3000, kMiB);
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

TEST(ExplainTest, ShowsObjectsInTheListsOfAThread) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  constexpr auto kBytes = static_cast<int64_t>(64 + kBehind);
  Heap heap(Options());
  std::vector<void*> blocks = Fill(heap.arena(), 64, 2000);
  // Taken one by one from a list that is made of a page at a time.
  int taken = 0;
  int carved = 0;
  Json before = ExplainQuiet(heap.arena());
  for (int i = 0; i < 300; ++i) {
    blocks.push_back(myonly_arena_alloc(heap.arena(), 64));
    const Json now = ExplainQuiet(heap.arena());
    EXPECT_EQ(More(now, before, "live"), kBytes);
    const int64_t listed = More(now, before, "thread_lists");
    if (More(now, before, "uncut") == 0) {
      EXPECT_EQ(listed, -kBytes);
      ++taken;
    } else {
      // The last one may lie on two pages.
      EXPECT_NEAR(listed, 4096 - kBytes, 4096 % kBytes == 0 ? 0 : kBytes);
      ++carved;
    }
    before = now;
  }
  EXPECT_GT(taken, 250);
  EXPECT_GT(carved, 3);
  // Freed ones go to their slab.
  myonly_free(blocks.back());
  const Json now = ExplainQuiet(heap.arena());
  EXPECT_EQ(More(now, before, "free_objects"), kBytes);
  EXPECT_EQ(More(now, before, "thread_lists"), 0);
}

TEST(ExplainTest, ShowsBlocksInTheListsOfAThread) {
  Heap heap(Options());
  const std::vector<void*> blocks = Fill(heap.arena(), 3000, 600);
  const Json before = ExplainQuiet(heap.arena());
  const auto usable =
      static_cast<int64_t>(myonly_usable_size(blocks.back()) + kBehind);
  myonly_free(blocks.back());
  const Json now = ExplainQuiet(heap.arena());
  EXPECT_EQ(More(now, before, "live"), -usable);
  EXPECT_EQ(More(now, before, "headers"), -8);
  EXPECT_EQ(More(now, before, "thread_lists"), usable + 8);
}

TEST(ExplainTest, ShowsWhatIsOnItsWayToItsOwner) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  Heap heap(Options());
  constexpr size_t kCount = 4000;
  constexpr size_t kBytes = 128;
  std::vector<void*> blocks = Fill(heap.arena(), kBytes, kCount);
  const uint64_t live = ExplainQuiet(heap.arena())["parts"]["live"].number;
  std::thread other([&blocks] {
    // With a state of its own it posts many at a time.
    for (void* block : Fill(nullptr, 200, 600)) myonly_free(block);
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
  EXPECT_EQ(first["bytes"].number, myonly_usable_size(pin) + kBehind);
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

// Freed one after the other, each gives what was told: pages of its region,
// which goes back when it was the last one, or whole pages of free blocks.
TEST(ExplainTest, TellsHowManyPagesEachBlockKeeps) {
  Heap heap(Options());
  std::mt19937 random(7);
  std::vector<void*> blocks;
  // Too few for a share: all in regions of the common part.
  for (int i = 0; i < 250; ++i) {
    blocks.push_back(myonly_arena_alloc(heap.arena(), 1200 + random() % 9000));
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 4 != 0) myonly_free(blocks[i]);
  }
  int regions = 0;
  int gaps = 0;
  for (;;) {
    ASSERT_EQ(myonly_arena_purge(heap.arena(), 0), MYONLY_OK);
    const Json before = ExplainQuiet(heap.arena());
    if (before["pins"].items.empty()) break;
    const Json& pin = before["pins"].items[0];
    void* block =
        reinterpret_cast<void*>(std::stoull(pin["address"].text, nullptr, 16));
    if (internal::kIsSecure) {
      ASSERT_LT(myonly_usable_size(block), pin["bytes"].number);
    } else {
      ASSERT_EQ(myonly_usable_size(block), pin["bytes"].number);
    }
    myonly_free(block);
    ASSERT_EQ(myonly_arena_purge(heap.arena(), 0), MYONLY_OK);
    const Json now = ExplainQuiet(heap.arena());
    const uint64_t bytes = pin["pages"].number * 4096;
    if (now["charged_bytes"].number != before["charged_bytes"].number) {
      EXPECT_EQ(before["charged_bytes"].number - now["charged_bytes"].number,
                bytes);
      ++regions;
    } else {
      EXPECT_EQ(More(now, before, "clean") + More(now, before, "dirty"),
                static_cast<int64_t>(bytes));
      ++gaps;
    }
  }
  EXPECT_GT(regions, 2);
  EXPECT_GT(gaps, 10);
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
  EXPECT_EQ(all["pins"].items[0]["bytes"].number, 48 + kBehind);
}

// One that ends where its page does keeps no other page.
TEST(ExplainTest, AnObjectKeepsNoPageBehindItsOwn) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  Heap heap(Options());
  std::vector<void*> blocks = Fill(heap.arena(), 1024 - kBehind, 3000);
  const auto address_of = [](void* block) {
    return reinterpret_cast<uintptr_t>(block);
  };
  // The last one of a page in the midst of a slab, and one further back.
  const auto last =
      std::find_if(blocks.begin() + 1500, blocks.end(), [&](void* block) {
        return address_of(block) % (32 * kKiB) == 3 * 4 * kKiB - 1024;
      });
  ASSERT_NE(last, blocks.end());
  const uintptr_t other = address_of(*last) + 12 * kKiB + 1024;
  for (void* block : blocks) {
    if (block != *last && address_of(block) != other) myonly_free(block);
  }
  const Json all = ExplainQuiet(heap.arena());
  ASSERT_EQ(all["pins"].items.size(), 2u);
  for (const Json& pin : all["pins"].items) {
    EXPECT_EQ(pin["pages"].number, 1u);
  }
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
// Destroys the arena at the first piece.
void Destroy(void* ctx, const char* /*text*/, size_t /*length*/) {
  auto** arena = static_cast<myonly_arena**>(ctx);
  if (*arena != nullptr) myonly_arena_destroy(*arena, MYONLY_DESTROY_FREE);
  *arena = nullptr;
}

TEST(ExplainTest, SaysThatTheArenaWasDestroyedMeanwhile) {
  for (auto* explain : {&myonly_arena_explain, &myonly_arena_explain_json}) {
    myonly_arena* arena;
    ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
    myonly_arena* destroyed = arena;
    EXPECT_EQ(explain(arena, Destroy, &destroyed), MYONLY_ERR_STALE);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  }
}

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

// How much of `live` was not asked for: what the header promises.
TEST(ExplainTest, BlocksHaveLittleBesideWhatWasAskedFor) {
  Heap heap(Options());
  for (myonly_arena* arena :
       {static_cast<myonly_arena*>(nullptr), heap.arena()}) {
    std::mt19937 random(3);
    std::vector<void*> blocks(1024);
    for (int i = 0; i < 60000 / kSlowness; ++i) {
      size_t bytes = 1 + random() % 1024;
      if (random() % 4 == 0) bytes = 1 + random() % (64 * kKiB);
      if (random() % 32 == 0) bytes = 1 + random() % (200 * kKiB);
      void*& block = blocks[random() % blocks.size()];
      myonly_free(block);
      block = arena == nullptr ? myonly_alloc(bytes)
                               : myonly_arena_alloc(arena, bytes);
      const size_t beside = myonly_usable_size(block) - bytes;
      if (bytes > 64 * kKiB - kBehind) {
        ASSERT_LT(beside, 4 * kKiB + kBehind) << bytes;
      } else {
        ASSERT_LE(beside, bytes <= kKiB ? 31 : bytes / 16) << bytes;
      }
    }
    for (void* block : blocks) myonly_free(block);
  }
}

// Behind a header that was overwritten nothing is known, and the rest adds up.
TEST(ExplainTest, CountsWhatIsBehindAnOverwrittenHeader) {
  Heap heap(Options());
  std::vector<char*> blocks;
  for (int i = 0; i < 6; ++i) {
    blocks.push_back(
        static_cast<char*>(myonly_arena_alloc(heap.arena(), 2000)));
  }
  const Json before = ExplainQuiet(heap.arena());
  uint64_t header;
  memcpy(&header, blocks[3] - 8, sizeof(header));
  memset(blocks[3] - 8, 0x41, sizeof(header));
  const Json now = Explain(heap.arena());
  memcpy(blocks[3] - 8, &header, sizeof(header));
  EXPECT_GT(now["parts"]["unaccounted"].number, 4000u);
  EXPECT_LT(More(now, before, "live"), -4000);
  // Only the tag that ends the region is not known any more.
  EXPECT_EQ(More(now, before, "metadata"), -8);
  EXPECT_EQ(now["charged_bytes"].number, before["charged_bytes"].number);
  ExplainQuiet(heap.arena());
}

}  // namespace
}  // namespace myonly::testing
