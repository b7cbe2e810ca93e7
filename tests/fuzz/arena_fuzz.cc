// Arenas as a fuzzer uses them: trees with limits, blocks that other threads
// free, resets, moves of large blocks, and handles that are stale. Checked
// against what a heap on paper knows; a difference aborts.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "myonly/myonly.h"
#include "tests/model/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using myonly::testing::ByteChoices;

#define EXPECT(condition)                                              \
  do {                                                                 \
    if (!(condition)) {                                                \
      fprintf(stderr, "arena_fuzz.cc:%d: %s\n", __LINE__, #condition); \
      abort();                                                         \
    }                                                                  \
  } while (false)

// Does as it is told, in a thread of its own that lives as long as the process.
class Helper {
 public:
  Helper() : thread_([this] { Run(); }) { thread_.detach(); }
  void Do(std::function<void()> work) {
    std::unique_lock<std::mutex> lock(mutex_);
    work_ = std::move(work);
    changed_.notify_all();
    changed_.wait(lock, [this] { return !work_; });
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return static_cast<bool>(work_); });
      work_();
      work_ = nullptr;
      changed_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> work_;
  std::thread thread_;
};

Helper& helper() {
  static auto* const instance = new Helper();
  return *instance;
}

struct Block {
  char* start;
  size_t size;
  char tag;
  size_t arena;
};

class Arenas {
 public:
  explicit Arenas(ByteChoices& choices) : choices_(choices) {}
  ~Arenas() {
    // Children first: a parent is busy.
    for (bool some = true; some;) {
      some = false;
      for (size_t i = 0; i < kMost; ++i) {
        if (arenas_[i].handle != nullptr) {
          Destroy(i, MYONLY_DESTROY_FREE);
          some = true;
        }
      }
    }
    EXPECT(blocks_.empty());
    EXPECT(myonly_arena_check(nullptr) == MYONLY_OK);
  }

  void Step() {
    switch (choices_.Below(16)) {
      case 0:
        return Create();
      case 1:
        return Reset(choices_.Below(kMost));
      case 2:
        return Destroy(choices_.Below(kMost), choices_.Below(2));
      case 3:
        return SetLimit(choices_.Below(kMost));
      case 4:
        return UseStale();
      case 5:
        return Move();
      case 6:
        return Look(choices_.Below(kMost));
      case 7:
      case 8:
      case 9:
        return Free();
      case 10:
        return Resize();
      default:
        return Allocate();
    }
  }

 private:
  static constexpr size_t kMost = 12;
  static constexpr size_t kNone = kMost;
  static constexpr size_t kMostBlocks = 400;
  struct Arena {
    myonly_arena* handle = nullptr;
    size_t parent = kNone;
    size_t limit = 0;
    size_t blocks = 0;
    size_t children = 0;
  };

  // In this thread or another one.
  template <typename Work>
  void Somewhere(Work work) {
    if (choices_.Below(3) == 0) {
      helper().Do(work);
    } else {
      work();
    }
  }

  size_t Size() {
    switch (choices_.Below(8)) {
      case 0:
        return choices_.Below(100'000) + 1;
      case 1:
        return choices_.Below(1'000'000) + 1;
      case 2:
        return choices_.Below(12'000'000) + 1;
      default:
        return choices_.Below(2000) + 1;
    }
  }

  void Create() {
    const size_t number = choices_.Below(kMost);
    if (arenas_[number].handle != nullptr) return;
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    const size_t parent = choices_.Below(2 * kMost);
    Arena arena;
    if (parent < kMost && arenas_[parent].handle != nullptr) {
      options.parent = arenas_[parent].handle;
      arena.parent = parent;
    }
    if (choices_.Below(2) == 0) {
      arena.limit = options.limit_bytes = (choices_.Below(300) + 1) << 15;
    }
    options.flags = choices_.Below(8) == 0 ? MYONLY_ARENA_EXACT_BYTES : 0;
    const myonly_status status = myonly_arena_create(&options, &arena.handle);
    if (status == MYONLY_ERR_UNSUPPORTED) {
      EXPECT(arena.handle == nullptr && options.flags != 0);
      return;
    }
    EXPECT(status == MYONLY_OK && arena.handle != nullptr);
    arenas_[number] = arena;
    if (arena.parent != kNone) ++arenas_[arena.parent].children;
  }

  void Forget(size_t number) {
    for (size_t i = blocks_.size(); i-- > 0;) {
      if (blocks_[i].arena != number) continue;
      Check(blocks_[i]);
      blocks_[i] = blocks_.back();
      blocks_.pop_back();
    }
    arenas_[number].blocks = 0;
  }

  void Reset(size_t number) {
    Arena& arena = arenas_[number];
    if (arena.handle == nullptr) return;
    Forget(number);
    Somewhere([&] { EXPECT(myonly_arena_reset(arena.handle) == MYONLY_OK); });
    Look(number);
  }

  void Destroy(size_t number, uint64_t flags) {
    Arena& arena = arenas_[number];
    if (arena.handle == nullptr) return;
    const bool is_busy =
        arena.children != 0 ||
        (flags == MYONLY_DESTROY_REQUIRE_EMPTY && arena.blocks != 0);
    if (!is_busy) Forget(number);
    Somewhere([&] {
      EXPECT(myonly_arena_destroy(arena.handle, flags) ==
             (is_busy ? MYONLY_ERR_BUSY : MYONLY_OK));
    });
    if (is_busy) return;
    if (arena.parent != kNone) --arenas_[arena.parent].children;
    stale_.push_back(arena.handle);
    arena = Arena();
  }

  void SetLimit(size_t number) {
    Arena& arena = arenas_[number];
    if (arena.handle == nullptr) return;
    arena.limit = choices_.Below(4) == 0 ? 0 : choices_.Below(300) << 15;
    EXPECT(myonly_arena_set_limit(arena.handle, arena.limit) == MYONLY_OK);
    // It may hold more already.
    arena.limit = 0;
  }

  void UseStale() {
    if (stale_.empty()) return;
    myonly_arena* handle = stale_[choices_.Below(stale_.size())];
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT(myonly_arena_alloc(handle, Size()) == nullptr);
    EXPECT(myonly_last_status() == MYONLY_ERR_STALE);
    EXPECT(myonly_arena_reset(handle) == MYONLY_ERR_STALE);
    EXPECT(myonly_arena_destroy(handle, 0) == MYONLY_ERR_STALE);
    EXPECT(myonly_arena_stats(handle, &stats) == MYONLY_ERR_STALE);
  }

  void Allocate() {
    const size_t number = choices_.Below(kMost);
    Arena& arena = arenas_[number];
    if (arena.handle == nullptr || blocks_.size() == kMostBlocks) return;
    Block block = {nullptr, Size(), static_cast<char>(choices_.Below(256)),
                   number};
    const size_t alignment = size_t{16} << choices_.Below(8);
    const bool is_zeroed = choices_.Below(4) == 0;
    Somewhere([&] {
      void* start = is_zeroed ? myonly_arena_calloc(arena.handle, 1, block.size)
                              : myonly_arena_aligned_alloc(
                                    arena.handle, alignment, block.size);
      block.start = static_cast<char*>(start);
      if (start == nullptr) {
        EXPECT(myonly_last_status() == MYONLY_ERR_QUOTA);
      }
    });
    if (block.start == nullptr) return;
    if (is_zeroed) {
      EXPECT(block.start[0] == 0 && block.start[block.size - 1] == 0);
    } else {
      EXPECT(reinterpret_cast<uintptr_t>(block.start) % alignment == 0);
    }
    Fill(block);
    blocks_.push_back(block);
    ++arena.blocks;
  }

  void Free() {
    if (blocks_.empty()) return;
    const size_t index = choices_.Below(blocks_.size());
    const Block block = blocks_[index];
    Check(block);
    myonly_arena* owner = nullptr;
    EXPECT(myonly_arena_of(block.start, &owner) == MYONLY_OK);
    EXPECT(owner == arenas_[block.arena].handle);
    Somewhere([&] { myonly_free(block.start); });
    --arenas_[block.arena].blocks;
    blocks_[index] = blocks_.back();
    blocks_.pop_back();
  }

  void Resize() {
    if (blocks_.empty()) return;
    Block& block = blocks_[choices_.Below(blocks_.size())];
    Check(block);
    const size_t size = Size();
    void* start = nullptr;
    Somewhere([&] { start = myonly_realloc(block.start, size); });
    if (start == nullptr) return Check(block);
    const size_t kept = size < block.size ? size : block.size;
    block.start = static_cast<char*>(start);
    EXPECT(block.start[0] == block.tag);
    if (kept == block.size) {
      EXPECT(block.start[kept - 1] == block.tag);
    }
    block.size = size;
    Fill(block);
  }

  void Move() {
    if (blocks_.empty()) return;
    Block& block = blocks_[choices_.Below(blocks_.size())];
    const size_t to = choices_.Below(kMost);
    if (arenas_[to].handle == nullptr) return;
    const myonly_status status =
        myonly_arena_transfer(block.start, arenas_[to].handle);
    Check(block);
    if (status != MYONLY_OK) {
      EXPECT(status == MYONLY_ERR_UNSUPPORTED || status == MYONLY_ERR_QUOTA);
      return;
    }
    --arenas_[block.arena].blocks;
    ++arenas_[to].blocks;
    block.arena = to;
  }

  void Look(size_t number) const {
    const Arena& arena = arenas_[number];
    if (arena.handle == nullptr) return;
    EXPECT(myonly_arena_check(arena.handle) == MYONLY_OK);
    myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
    EXPECT(myonly_arena_stats(arena.handle, &stats) == MYONLY_OK);
    EXPECT(stats.children == arena.children);
    EXPECT(arena.limit == 0 || stats.charged_bytes <= arena.limit);
  }

  static void Fill(const Block& block) {
    const size_t some = block.size < 64 ? block.size : 64;
    memset(block.start, block.tag, some);
    block.start[block.size - 1] = block.tag;
  }
  static void Check(const Block& block) {
    const size_t some = block.size < 64 ? block.size : 64;
    for (size_t i = 0; i < some; ++i) EXPECT(block.start[i] == block.tag);
    EXPECT(block.start[block.size - 1] == block.tag);
    EXPECT(myonly_usable_size(block.start) >= block.size);
  }

  ByteChoices& choices_;
  Arena arenas_[kMost];
  std::vector<Block> blocks_;
  std::vector<myonly_arena*> stale_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteChoices choices(data, size);
  Arenas arenas(choices);
  while (!choices.exhausted()) arenas.Step();
  return 0;
}
