// The walk: every live block once, nothing else, while threads allocate, free
// each other's blocks and overwrite what they have.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace myonly::testing {
namespace {

using Blocks = std::map<void*, size_t>;  // usable sizes

constexpr size_t kMiB = size_t{1} << 20;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kWalks = 30;
#else
constexpr int kWalks = 300;
#endif

bool HasMarks() {
  return myonly_arena_walk(
             nullptr, nullptr,
             [](void*, const myonly_block_info*) { return 1; },
             nullptr) != MYONLY_ERR_UNSUPPORTED;
}

// What a walk finds. The test fails if anything comes twice or overlaps.
struct Found {
  Blocks blocks;
  const myonly_arena* arena = nullptr;
  int visits = 0;
  bool good = true;

  static int Visit(void* ctx, const myonly_block_info* block) {
    auto* found = static_cast<Found*>(ctx);
    ++found->visits;
    found->good = found->good && block->struct_size == sizeof(*block) &&
                  block->state == MYONLY_BLOCK_LIVE &&
                  block->arena == found->arena &&
                  found->blocks.emplace(block->start, block->size).second;
    return 0;
  }
};

Found Walk(myonly_arena* arena, const myonly_walk_options* options = nullptr) {
  Found found;
  found.arena = arena;
  EXPECT_EQ(myonly_arena_walk(arena, options, Found::Visit, &found), MYONLY_OK);
  EXPECT_TRUE(found.good);
  const char* end = nullptr;
  for (const auto& [start, bytes] : found.blocks) {
    EXPECT_GE(static_cast<char*>(start), end) << "overlap";
    end = static_cast<char*>(start) + bytes;
  }
  return found;
}

class WalkTest : public ::testing::TestWithParam<bool> {
 public:
  void SetUp() override {
    if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
    if (!GetParam()) return;
    ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
    // The next one in its place is not taken for a busy one.
    ASSERT_NE(myonly_arena_alloc(arena_, 1), nullptr);
    ASSERT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
    ASSERT_EQ(myonly_arena_create(nullptr, &arena_), MYONLY_OK);
  }
  void TearDown() override {
    for (const auto& [block, bytes] : live_) myonly_free(block);
    if (arena_ == nullptr) return;
    EXPECT_EQ(myonly_arena_check(arena_), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE), MYONLY_OK);
  }

  void* Allocate(size_t size) {
    return arena_ == nullptr ? myonly_alloc(size)
                             : myonly_arena_alloc(arena_, size);
  }
  void* Add(size_t size) {
    void* block = Allocate(size);
    EXPECT_NE(block, nullptr);
    live_[block] = myonly_usable_size(block);
    return block;
  }
  void Remove(void* block) {
    live_.erase(block);
    myonly_free(block);
  }

  myonly_arena* arena_ = nullptr;
  Blocks live_;
};

size_t RandomSize(std::mt19937& random) {
  switch (random() % 16) {
    case 0:
      return random() % (200 * 1024);
    case 1:
    case 2:
      return random() % 20000;
    default:
      return random() % 1500;
  }
}

TEST_P(WalkTest, FindsEveryKindOfBlock) {
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{24}, size_t{1000}, size_t{5000},
        size_t{64 * 1024}, size_t{70000}, kMiB, 9 * kMiB, 20 * kMiB}) {
    for (int i = 0; i < 3; ++i) Add(size);
  }
  EXPECT_EQ(Walk(arena_).blocks, live_);
}

TEST_P(WalkTest, FindsExactlyWhatIsLive) {
  std::mt19937 random(1);
  std::vector<void*> blocks;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 1000; ++i) {
      if (blocks.size() > 3000 || (!blocks.empty() && random() % 5 < 2)) {
        std::swap(blocks[random() % blocks.size()], blocks.back());
        Remove(blocks.back());
        blocks.pop_back();
      } else {
        blocks.push_back(Add(RandomSize(random)));
        // No block looks like a free one.
        memset(blocks.back(), static_cast<int>(random()), live_[blocks.back()]);
      }
    }
    ASSERT_EQ(Walk(arena_).blocks, live_) << round;
  }
}

// What another thread has freed waits in its batch or in the owner's queue.
TEST_P(WalkTest, BlocksThatOthersFreedAreNotLive) {
  std::vector<void*> blocks;
  for (int i = 0; i < 3000; ++i) blocks.push_back(Add(16 + i % 3000));
  std::vector<void*> freed;
  for (size_t i = 300; i < blocks.size(); i += 3) freed.push_back(blocks[i]);
  std::atomic<bool> is_done{false};
  std::atomic<bool> may_end{false};
  std::thread other([&] {
    // Enough to have a state of its own.
    for (int i = 0; i < 50; ++i) myonly_free(myonly_alloc(100));
    for (void* block : freed) myonly_free(block);
    is_done = true;
    while (!may_end) std::this_thread::yield();
  });
  while (!is_done) std::this_thread::yield();
  for (void* block : freed) live_.erase(block);
  EXPECT_EQ(Walk(arena_).blocks, live_);
  may_end = true;
  other.join();
  EXPECT_EQ(Walk(arena_).blocks, live_);
}

TEST_P(WalkTest, FindsWhatIsOnSweptSlabs) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20000; ++i) blocks.push_back(Add(64 + i % 2 * 300));
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 400 >= 3) Remove(blocks[i]);
  }
  myonly_purge(0);
  EXPECT_EQ(Walk(arena_).blocks, live_);
  for (int i = 0; i < 1000; ++i) Add(64);
  EXPECT_EQ(Walk(arena_).blocks, live_);
}

TEST_P(WalkTest, TellsWhoseShareABlockIsIn) {
  for (int i = 0; i < 2000; ++i) Add(100);
  std::map<uint64_t, int> blocks;
  EXPECT_EQ(
      myonly_arena_walk(
          arena_, nullptr,
          [](void* ctx, const myonly_block_info* block) {
            ++(*static_cast<std::map<uint64_t, int>*>(ctx))[block->thread];
            return 0;
          },
          &blocks),
      MYONLY_OK);
  // A new arena serves the first requests from what its threads share; the
  // process heap did so before this test.
  if (arena_ != nullptr) {
    ASSERT_EQ(blocks.size(), 2u);
    EXPECT_GT(blocks[0], 0);
  }
  EXPECT_NE(blocks.rbegin()->first, 0u);
  EXPECT_GT(blocks.rbegin()->second, 1000);
}

// Visitors may do what they like, to the blocks they see too.
TEST_P(WalkTest, AVisitorMayAllocateAndFree) {
  for (int i = 0; i < 2000; ++i) Add(1 + i * 37 % 5000);
  struct Context {
    WalkTest* test;
    size_t seen;
    std::vector<void*> made;
  } context = {this, 0, {}};
  const size_t before = live_.size();
  EXPECT_EQ(myonly_arena_walk(
                arena_, nullptr,
                [](void* ctx, const myonly_block_info* block) {
                  auto* context = static_cast<Context*>(ctx);
                  context->made.push_back(context->test->Allocate(block->size));
                  if (context->test->live_.erase(block->start) != 0) {
                    ++context->seen;
                    myonly_free(block->start);
                  }
                  return 0;
                },
                &context),
            MYONLY_OK);
  EXPECT_EQ(context.seen, before);
  for (void* block : context.made) myonly_free(block);
  EXPECT_EQ(Walk(arena_).blocks, live_);
}

// What each visit makes is where the walk comes by later, or could be.
TEST_P(WalkTest, EndsAlsoIfEachVisitAllocates) {
  for (int i = 0; i < 1000; ++i) Add(100);
  struct Context {
    WalkTest* test;
    std::vector<void*> made;
  } context = {this, {}};
  EXPECT_EQ(myonly_arena_walk(
                arena_, nullptr,
                [](void* ctx, const myonly_block_info*) {
                  auto* context = static_cast<Context*>(ctx);
                  context->made.push_back(context->test->Allocate(100));
                  return context->made.size() < 2000000 ? 0 : 1;
                },
                &context),
            MYONLY_OK);
  EXPECT_GE(context.made.size(), 1000U);
  EXPECT_LT(context.made.size(), 2000000U);
  for (void* block : context.made) myonly_free(block);
}

TEST_P(WalkTest, EndsWhenTheVisitorSaysSo) {
  for (int i = 0; i < 100; ++i) Add(100);
  int visits = 0;
  EXPECT_EQ(myonly_arena_walk(
                arena_, nullptr,
                [](void* ctx, const myonly_block_info*) {
                  return ++*static_cast<int*>(ctx) == 3 ? 1 : 0;
                },
                &visits),
            MYONLY_OK);
  EXPECT_EQ(visits, 3);
}

TEST_P(WalkTest, LeavesSmallBlocksOut) {
  for (int i = 0; i < 100; ++i) Add(i * 100);
  myonly_walk_options options = MYONLY_WALK_OPTIONS_INIT;
  options.least_bytes = 5000;
  Blocks large;
  for (const auto& [block, bytes] : live_) {
    if (bytes >= 5000) large.emplace(block, bytes);
  }
  EXPECT_EQ(Walk(arena_, &options).blocks, large);
}

// --- While threads work. ---

// Threads that swap blocks with each other through slots, so that most are
// freed by another thread than the one that made them.
class Load {
 public:
  Load(myonly_arena* arena, int threads) : arena_(arena) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, i] { Run(i); });
    }
    while (ready_ != threads) std::this_thread::yield();
  }
  // Afterwards the slots' blocks are live, and the kept ones.
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  ~Load() {
    Stop();
    for (std::atomic<void*>& slot : slots_) myonly_free(slot);
    for (const auto& [block, bytes] : kept_) myonly_free(block);
  }
  const Blocks& kept() const { return kept_; }
  Blocks Live() const {
    Blocks live = kept_;
    for (const std::atomic<void*>& slot : slots_) {
      if (slot != nullptr) live[slot] = myonly_usable_size(slot);
    }
    return live;
  }

 private:
  void* Allocate(std::mt19937& random) {
    const size_t size = RandomSize(random);
    void* block = arena_ == nullptr ? myonly_alloc(size)
                                    : myonly_arena_alloc(arena_, size);
    // What had been tags or marks in there is gone.
    if (block != nullptr) memset(block, static_cast<int>(random()), size);
    return block;
  }
  void Run(int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    Blocks kept;
    for (int i = 0; i < 3000; ++i) Step(random);
    for (int i = 0; i < 300; ++i) {
      void* block = Allocate(random);
      kept[block] = myonly_usable_size(block);
      for (int j = 0; j < 5; ++j) Step(random);
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      kept_.insert(kept.begin(), kept.end());
    }
    ++ready_;
    while (!stop_) Step(random);
  }
  void Step(std::mt19937& random) {
    std::atomic<void*>& slot = slots_[random() % slots_.size()];
    if (random() % 8 == 0) {
      void* block = slot.exchange(nullptr);
      if (block == nullptr) return;
      void* moved = myonly_realloc(block, 1 + RandomSize(random));
      myonly_free(slot.exchange(moved == nullptr ? block : moved));
      return;
    }
    myonly_free(slot.exchange(random() % 3 == 0 ? nullptr : Allocate(random)));
  }

  myonly_arena* const arena_;
  std::vector<std::thread> threads_;
  std::vector<std::atomic<void*>> slots_{2000};
  std::mutex mutex_;
  Blocks kept_;
  std::atomic<int> ready_{0};
  std::atomic<bool> stop_{false};
};

TEST_P(WalkTest, MissesNothingUnderLoad) {
  Load load(arena_, 8);
  for (int i = 0; i < kWalks; ++i) {
    const Found found = Walk(arena_);
    for (const auto& [block, bytes] : load.kept()) {
      const auto it = found.blocks.find(block);
      ASSERT_NE(it, found.blocks.end()) << block << " of " << bytes;
      ASSERT_EQ(it->second, bytes);
    }
  }
  load.Stop();
  // A block that was freed elsewhere in the moment in which its owner rewrote
  // its tag may look live until it has come home: SECURITY.md tells of it.
  myonly_purge(0);
  EXPECT_EQ(Walk(arena_).blocks, load.Live());
}

INSTANTIATE_TEST_SUITE_P(Heaps, WalkTest, ::testing::Values(false, true),
                         [](const ::testing::TestParamInfo<bool>& info) {
                           return info.param ? "Arena" : "ProcessHeap";
                         });

// --- What goes wrong. ---

TEST(WalkErrorsTest, HandlesAndOptionsAreChecked) {
  const auto visit = [](void*, const myonly_block_info*) { return 0; };
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  EXPECT_EQ(myonly_arena_walk(nullptr, nullptr, nullptr, nullptr),
            MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
  myonly_walk_options options = MYONLY_WALK_OPTIONS_INIT;
  options.flags = 1;
  EXPECT_EQ(myonly_arena_walk(nullptr, &options, visit, nullptr),
            MYONLY_ERR_UNSUPPORTED);
  options = MYONLY_WALK_OPTIONS_INIT;
  options.version = 1;
  EXPECT_EQ(myonly_arena_walk(nullptr, &options, visit, nullptr),
            MYONLY_ERR_UNSUPPORTED);
  // Of a later version: what we don't know must not be asked for.
  struct {
    myonly_walk_options known = MYONLY_WALK_OPTIONS_INIT;
    uint64_t unknown = 0;
  } later;
  later.known.struct_size = sizeof(later);
  EXPECT_EQ(myonly_arena_walk(nullptr, &later.known, visit, nullptr),
            MYONLY_OK);
  later.unknown = 1;
  EXPECT_EQ(myonly_arena_walk(nullptr, &later.known, visit, nullptr),
            MYONLY_ERR_UNSUPPORTED);
  options.struct_size = 3;
  EXPECT_EQ(myonly_arena_walk(nullptr, &options, visit, nullptr),
            MYONLY_ERR_INVALID);
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  ASSERT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
  EXPECT_EQ(myonly_arena_walk(arena, nullptr, visit, nullptr),
            MYONLY_ERR_STALE);
}

TEST(WalkErrorsTest, OptionsMayEndBehindTheirVersion) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  void* const block = myonly_alloc(100);
  myonly_walk_options options = MYONLY_WALK_OPTIONS_INIT;
  options.least_bytes = SIZE_MAX;
  EXPECT_EQ(Walk(nullptr, &options).visits, 0);
  for (const uint32_t size : {8U, 16U}) {
    options.struct_size = size;  // so the least size is not among them
    EXPECT_EQ(Walk(nullptr, &options).blocks.count(block), 1U) << size;
  }
  for (const uint32_t size : {0U, 4U, 7U, 9U, 12U, 20U}) {
    options.struct_size = size;
    EXPECT_EQ(myonly_arena_walk(
                  nullptr, &options,
                  [](void*, const myonly_block_info*) { return 0; }, nullptr),
              MYONLY_ERR_INVALID)
        << size;
  }
  myonly_free(block);
}

// Structs of other versions: what is longer is zero where we know nothing,
// what has no room for its size is refused.
TEST(BlockOfTest, StructsOfOtherSizes) {
  void* block = myonly_alloc(100);
  struct {
    myonly_block_info known = MYONLY_BLOCK_INFO_INIT;
    uint64_t unknown = 7;
  } later;
  later.known.struct_size = sizeof(later);
  EXPECT_EQ(myonly_block_of(block, &later.known), MYONLY_OK);
  EXPECT_EQ(later.known.start, block);
  EXPECT_EQ(later.known.struct_size, sizeof(later));
  EXPECT_EQ(later.unknown, 0U);
  myonly_block_info info = MYONLY_BLOCK_INFO_INIT;
  info.struct_size = sizeof(uint32_t);
  EXPECT_EQ(myonly_block_of(block, &info), MYONLY_ERR_INVALID);
  EXPECT_EQ(info.start, nullptr);
  EXPECT_EQ(myonly_block_of(block, nullptr), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_arena_of(block, nullptr), MYONLY_ERR_INVALID);
  myonly_free(block);
}

TEST(TryResizeTest, NoBlockHasNoSize) {
  size_t actual = 5;
  EXPECT_EQ(myonly_try_resize(nullptr, 10, &actual), 0);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
  EXPECT_EQ(actual, 0U);
  EXPECT_EQ(myonly_try_resize(nullptr, 10, nullptr), 0);
}

TEST(WalkErrorsTest, AnArenaThatIsDestroyedMeanwhileIsStale) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_NE(myonly_arena_alloc(arena, 100), nullptr);
  }
  EXPECT_EQ(myonly_arena_walk(
                arena, nullptr,
                [](void* ctx, const myonly_block_info*) {
                  myonly_arena_destroy(static_cast<myonly_arena*>(ctx),
                                       MYONLY_DESTROY_FREE);
                  return 0;
                },
                arena),
            MYONLY_ERR_STALE);
}

// A header that was overwritten: the walk ends before it and says so, the check
// names it.
TEST(WalkErrorsTest, AnOverwrittenHeaderIsReported) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  char* first = static_cast<char*>(myonly_arena_alloc(arena, 2000));
  char* second = static_cast<char*>(myonly_arena_alloc(arena, 2000));
  ASSERT_GT(second, first);
  const char* what = "";
  const void* where = arena;
  EXPECT_EQ(myonly_arena_check_at(arena, &what, &where), MYONLY_OK);
  EXPECT_EQ(what, nullptr);
  EXPECT_EQ(where, nullptr);
  const char kept = second[-5];
  second[-5] = static_cast<char>(~kept);
  Found found;
  found.arena = arena;
  EXPECT_EQ(myonly_arena_walk(arena, nullptr, Found::Visit, &found),
            MYONLY_ERR_CORRUPT);
  EXPECT_EQ(found.blocks.count(first), 1u);
  EXPECT_EQ(myonly_arena_check_at(arena, &what, &where), MYONLY_ERR_CORRUPT);
  EXPECT_STREQ(what, "overwritten header");
  EXPECT_EQ(where, second);
  EXPECT_EQ(myonly_arena_check_at(arena, nullptr, nullptr), MYONLY_ERR_CORRUPT);
  second[-5] = kept;
  EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

// A program that writes into what it has freed.
TEST(WalkErrorsTest, TheCheckNamesAFreedBlockThatWasOverwritten) {
  if (!HasMarks()) GTEST_SKIP() << "the fast preset has no marks";
  myonly_arena* arena = nullptr;
  ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
  for (size_t size : {40, 3000}) {
    std::vector<char*> blocks;
    for (int i = 0; i < 2000; ++i) {
      blocks.push_back(static_cast<char*>(myonly_arena_alloc(arena, size)));
    }
    for (size_t i = 1500; i < 1600; i += 2) myonly_free(blocks[i]);
    const char* what = nullptr;
    const void* where = nullptr;
    ASSERT_EQ(myonly_arena_check_at(arena, &what, &where), MYONLY_OK) << what;
    // The link to the next free one, to an address that can't be read.
    void* link;
    void* bad = reinterpret_cast<void*>(uintptr_t{0x123456789000});
    memcpy(&link, blocks[1550], sizeof(link));
    memcpy(blocks[1550], &bad, sizeof(bad));
    EXPECT_EQ(myonly_arena_check_at(arena, &what, &where), MYONLY_ERR_CORRUPT);
    EXPECT_TRUE(strncmp(what, "overwritten free ", 17) == 0) << what;
    memcpy(blocks[1550], &link, sizeof(link));
    EXPECT_EQ(myonly_arena_check(arena), MYONLY_OK);
  }
  EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
}

}  // namespace
}  // namespace myonly::testing
