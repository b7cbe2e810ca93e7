#include "tests/model/heap_model.h"

#include <errno.h>
#include <stdint.h>

#include <algorithm>

#include "tests/support/preset.h"

namespace myonly::testing {
namespace {

constexpr int kErrnoMark = 4711;
constexpr size_t kDefaultAlignment = 16;
// In the preset secure blocks that were freed wait, and count as live: these at
// most of one thread, and in debug 8192 of all of them before.
constexpr uint64_t kMostWaiting = kIsDebug              ? 8384
                                  : internal::kIsSecure ? 192
                                                        : 0;

myonly_arena_stats_t StatsOf(myonly_arena* arena) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  if (myonly_arena_stats(arena, &stats) != MYONLY_OK) {
    ModelFailed("no statistics", arena, 0);
  }
  return stats;
}

// From now on what is freed counts as freed, until the next call.
void LetNothingWait() {
  if (internal::kIsSecure) myonly_purge(SIZE_MAX);
}

}  // namespace

HeapModel::HeapModel(Choices& choices, const HeapModelOptions& options)
    : choices_(choices), options_(options) {
  heaps_[0].in_use = true;
  LetNothingWait();
  const myonly_arena_stats_t stats = StatsOf(nullptr);
  blocks_before_ = stats.live_blocks;
  bytes_before_ = stats.live_bytes;
}

HeapModel::~HeapModel() {
  CheckAll();
  for (uint32_t number = 1; number < kHeaps; ++number) {
    if (!heaps_[number].in_use) continue;
    DropBlocksOf(number);
    if (myonly_arena_destroy(heaps_[number].handle, MYONLY_DESTROY_FREE) !=
        MYONLY_OK) {
      ModelFailed("an arena can't be destroyed", heaps_[number].handle, 0);
    }
    heaps_[number].in_use = false;
  }
  while (shadow_.size() > 0) {
    void* const block = shadow_.block(shadow_.size() - 1).start;
    Removed(shadow_.size() - 1);
    myonly_free(block);
  }
  LetNothingWait();
  CheckAll();
  const myonly_arena_stats_t stats = StatsOf(nullptr);
  if (stats.live_blocks != blocks_before_ ||
      stats.live_bytes != bytes_before_) {
    ModelFailed("blocks are left", nullptr, stats.live_bytes);
  }
}

void HeapModel::Step() {
  ++steps_;
  if (steps_ % options_.check_interval == 0) CheckAll();
  if (IsFull()) growing_ = false;
  if (choices_.Below(4096) == 0) growing_ = !growing_;
  const uint64_t what = choices_.Below(100);
  const uint64_t allocations = growing_ ? 50 : 28;
  if (what < allocations) {
    Allocate();
  } else if (what < 80) {
    Free();
  } else if (what < 88) {
    Reallocate();
  } else if (what < 92) {
    TryResize();
  } else if (what < 96) {
    LookAt();
  } else if (what < 98) {
    AllocateBatch();
  } else {
    switch (choices_.Below(64)) {
      case 0:
        return ResetArena();
      case 1:
        return DestroyArena();
      case 2:
      case 3:
      case 4:
        return CreateArena();
      case 5:
        myonly_purge(choices_.Below(size_t{64} << 20));
        return;
      case 6:
        return UseStaleHandle();
      default:
        return AllocateTooMuch();
    }
  }
}

void HeapModel::Allocate() {
  const uint32_t number = ChooseHeap();
  myonly_arena* const arena = heaps_[number].handle;
  const bool process = number == 0;
  const size_t size = ChooseSize();
  size_t alignment = kDefaultAlignment;
  size_t zeroed = 0;
  size_t actual = 0;
  void* block = nullptr;
  switch (choices_.Below(8)) {
    case 0:
      zeroed = size;
      block = process ? myonly_calloc(1, size)
                      : myonly_arena_calloc(arena, 1, size);
      break;
    case 1:
      alignment = ChooseAlignment();
      block = process ? myonly_aligned_alloc(alignment, size)
                      : myonly_arena_aligned_alloc(arena, alignment, size);
      break;
    case 2:
      alignment = ChooseAlignment();
      block = process ? myonly_alloc_at_least(size, alignment, &actual)
                      : myonly_arena_alloc_at_least(arena, size, alignment,
                                                    &actual);
      if (block != nullptr && actual != myonly_usable_size(block)) {
        ModelFailed("alloc_at_least told another size", block, actual);
      }
      break;
    default:
      block = process ? myonly_alloc(size) : myonly_arena_alloc(arena, size);
  }
  if (block == nullptr) return ExpectMayFail(number, size);
  Added(number, block, size, alignment, zeroed);
}

void HeapModel::AllocateBatch() {
  const uint32_t number = ChooseHeap();
  const size_t size = 1 + choices_.Below(2048);
  void* blocks[32];
  const size_t asked = 1 + choices_.Below(32);
  const size_t count = number == 0
                           ? myonly_alloc_batch(size, blocks, asked)
                           : myonly_arena_alloc_batch(heaps_[number].handle,
                                                      size, blocks, asked);
  if (count > asked) ModelFailed("a batch is too long", blocks, count);
  if (count < asked) ExpectMayFail(number, size);
  for (size_t i = 0; i < count; ++i) {
    Added(number, blocks[i], size, kDefaultAlignment, 0);
  }
  // Half of them go back as a batch again.
  if (!Chance(50)) return;
  for (size_t i = 0; i < count; ++i) Removed(shadow_.size() - 1);
  myonly_free_batch(blocks, count);
}

void HeapModel::AllocateTooMuch() {
  const uint32_t number = ChooseHeap();
  const size_t size = SIZE_MAX / 2 + choices_.Below(SIZE_MAX / 2);
  errno = 0;
  void* const block = number == 0
                          ? myonly_alloc(size)
                          : myonly_arena_alloc(heaps_[number].handle, size);
  if (block != nullptr || errno != ENOMEM) {
    ModelFailed("half the address space was not refused", block, size);
  }
}

void HeapModel::Free() {
  if (shadow_.size() == 0) return;
  const size_t index = choices_.Below(shadow_.size());
  const ShadowBlock block = shadow_.block(index);
  Removed(index);
  errno = kErrnoMark;
  if (Chance(10)) {
    myonly_free_sized(block.start, block.bytes, kDefaultAlignment);
  } else {
    myonly_free(block.start);
  }
  if (errno != kErrnoMark) ModelFailed("free changed errno", block.start, 0);
}

void HeapModel::Reallocate() {
  if (shadow_.size() == 0) return;
  const size_t index = choices_.Below(shadow_.size());
  const ShadowBlock old = shadow_.block(index);
  const Heap& heap = heaps_[old.owner];
  size_t size = ChooseSize();
  // Often a little more or less, as a growing vector or a trimmed buffer.
  if (Chance(50)) size = old.bytes / 2 + choices_.Below(old.bytes + 1);
  size = std::max<size_t>(size, 1);
  shadow_.CheckContents(index);
  void* const block = old.owner == 0 || Chance(50)
                          ? myonly_realloc(old.start, size)
                          : myonly_arena_realloc(heap.handle, old.start, size);
  if (block == nullptr) {
    ExpectMayFail(old.owner, size);
    return shadow_.CheckContents(index);
  }
  if (myonly_usable_size(block) < size) {
    ModelFailed("a resized block is too small", block, size);
  }
  Resized(index, block, std::min(old.bytes, size));
}

void HeapModel::TryResize() {
  if (shadow_.size() == 0) return;
  const size_t index = choices_.Below(shadow_.size());
  const ShadowBlock old = shadow_.block(index);
  const size_t size = std::max<size_t>(choices_.Below(old.bytes * 2 + 1), 1);
  size_t actual = 0;
  const int resized = myonly_try_resize(old.start, size, &actual);
  if (actual != myonly_usable_size(old.start)) {
    ModelFailed("try_resize told another size", old.start, actual);
  }
  if (resized != 0 && actual < size) {
    ModelFailed("try_resize made a block too small", old.start, size);
  }
  if (resized == 0 && actual != old.bytes) {
    ModelFailed("try_resize failed but changed a block", old.start, actual);
  }
  if (resized != 0) Resized(index, old.start, std::min(old.bytes, size));
}

// Nothing is changed, so nothing may have changed.
void HeapModel::LookAt() {
  if (shadow_.size() == 0) return;
  const size_t index = choices_.Below(shadow_.size());
  const ShadowBlock& block = shadow_.block(index);
  shadow_.CheckContents(index);
  if (myonly_usable_size(block.start) != block.bytes) {
    ModelFailed("the usable size has changed", block.start, block.bytes);
  }
  myonly_arena* arena = nullptr;
  const size_t offset = choices_.Below(block.bytes + 1);
  const char* const inside =
      block.start + std::min(offset, std::max<size_t>(block.bytes, 1) - 1);
  if (myonly_arena_of(inside, &arena) != MYONLY_OK ||
      arena != heaps_[block.owner].handle) {
    ModelFailed("a block has another owner", inside, block.bytes);
  }
}

void HeapModel::CreateArena() {
  for (uint32_t number = 1; number < kHeaps; ++number) {
    Heap& heap = heaps_[number];
    if (heap.in_use) continue;
    heap = Heap();
    heap.limited = Chance(30);
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.name = "model";
    if (heap.limited) {
      options.limit_bytes = (size_t{256} << 10) << choices_.Below(6);
    }
    if (myonly_arena_create(&options, &heap.handle) != MYONLY_OK) {
      ModelFailed("an arena can't be created", nullptr, 0);
    }
    if (std::find(stale_.begin(), stale_.end(), heap.handle) != stale_.end()) {
      ModelFailed("the handle of a dead arena is in use", heap.handle, 0);
    }
    heap.in_use = true;
    return;
  }
}

void HeapModel::ResetArena() {
  const uint32_t number = ChooseHeap();
  if (number == 0) return;
  DropBlocksOf(number);
  if (myonly_arena_reset(heaps_[number].handle) != MYONLY_OK) {
    ModelFailed("an arena can't be reset", heaps_[number].handle, 0);
  }
  CheckHeap(number);
}

void HeapModel::DestroyArena() {
  const uint32_t number = ChooseHeap();
  if (number == 0) return;
  Heap& heap = heaps_[number];
  if (heap.blocks > 0 &&
      myonly_arena_destroy(heap.handle, MYONLY_DESTROY_REQUIRE_EMPTY) !=
          MYONLY_ERR_BUSY) {
    ModelFailed("an arena with blocks counts as empty", heap.handle, 0);
  }
  DropBlocksOf(number);
  if (myonly_arena_destroy(heap.handle, MYONLY_DESTROY_FREE) != MYONLY_OK) {
    ModelFailed("an arena can't be destroyed", heap.handle, 0);
  }
  if (stale_.size() == 8) stale_.erase(stale_.begin());
  stale_.push_back(heap.handle);
  heap = Heap();
}

void HeapModel::UseStaleHandle() {
  if (stale_.empty()) return;
  myonly_arena* const stale = stale_[choices_.Below(stale_.size())];
  errno = 0;
  if (myonly_arena_alloc(stale, 100) != nullptr || errno != EINVAL ||
      myonly_last_status() != MYONLY_ERR_STALE ||
      myonly_arena_reset(stale) != MYONLY_ERR_STALE ||
      myonly_arena_destroy(stale, MYONLY_DESTROY_FREE) != MYONLY_ERR_STALE) {
    ModelFailed("a stale handle was taken", stale, 0);
  }
}

// Small sizes most of all, every store now and then, and the sizes next to
// powers of two, where mistakes live.
size_t HeapModel::ChooseSize() {
  const uint64_t kind = choices_.Below(1000);
  if (kind < 550) return choices_.Below(257);
  if (kind < 800) return choices_.Below(4097);
  if (kind < 900) return choices_.Below((size_t{64} << 10) + 1);
  if (kind < 950)
    return (size_t{16} << choices_.Below(14)) + 24 - choices_.Below(49) % 40;
  if (kind < 994) return choices_.Below((size_t{512} << 10) + 1);
  if (kind < 999) return choices_.Below((size_t{9} << 20) + 1);
  return choices_.Below((size_t{40} << 20) + 1);
}

size_t HeapModel::ChooseAlignment() {
  return size_t{1} << (Chance(90) ? choices_.Below(13) : choices_.Below(22));
}

uint32_t HeapModel::ChooseHeap() {
  if (Chance(40)) return 0;
  const auto number = static_cast<uint32_t>(choices_.Below(kHeaps));
  return heaps_[number].in_use ? number : 0;
}

bool HeapModel::IsFull() const {
  return shadow_.size() >= options_.most_blocks ||
         shadow_.live_bytes() >= options_.most_bytes;
}

void HeapModel::Added(uint32_t heap, void* block, size_t size, size_t alignment,
                      size_t zeroed) {
  const size_t usable = myonly_usable_size(block);
  if (usable < size) ModelFailed("a block is too small", block, size);
  // A small alignment promises that of all blocks.
  shadow_.Add(block, usable, std::max(alignment, kDefaultAlignment), heap,
              zeroed);
  ++heaps_[heap].blocks;
  heaps_[heap].bytes += usable;
}

void HeapModel::Removed(size_t index) {
  const ShadowBlock& block = shadow_.block(index);
  --heaps_[block.owner].blocks;
  heaps_[block.owner].bytes -= block.bytes;
  shadow_.Remove(index);
}

void HeapModel::Resized(size_t index, void* block, size_t kept) {
  Heap& heap = heaps_[shadow_.block(index).owner];
  const size_t usable = myonly_usable_size(block);
  heap.bytes -= shadow_.block(index).bytes;
  heap.bytes += usable;
  shadow_.Resize(index, block, usable, kept);
}

void HeapModel::DropBlocksOf(uint32_t heap) {
  for (size_t index = shadow_.size(); index-- > 0;) {
    if (shadow_.block(index).owner == heap) Removed(index);
  }
}

void HeapModel::ExpectMayFail(uint32_t heap, size_t size) const {
  if (!heaps_[heap].limited) {
    ModelFailed("an allocation failed", heaps_[heap].handle, size);
  }
  if (myonly_last_status() != MYONLY_ERR_QUOTA) {
    ModelFailed(myonly_status_str(myonly_last_status()), heaps_[heap].handle,
                size);
  }
}

void HeapModel::CheckAll() const {
  for (uint32_t number = 0; number < kHeaps; ++number) {
    if (heaps_[number].in_use) CheckHeap(number);
  }
}

void HeapModel::CheckHeap(uint32_t number) const {
  const Heap& heap = heaps_[number];
  if (myonly_arena_check(heap.handle) != MYONLY_OK) {
    ModelFailed("an invariant is broken", heap.handle, heap.bytes);
  }
  const myonly_arena_stats_t stats = StatsOf(heap.handle);
  const bool process = number == 0;
  const uint64_t blocks = heap.blocks + (process ? blocks_before_ : 0);
  const uint64_t bytes = heap.bytes + (process ? bytes_before_ : 0);
  // In arenas of the program nothing waits.
  if (stats.live_blocks < blocks ||
      stats.live_blocks > blocks + (process ? kMostWaiting : 0)) {
    ModelFailed("live_blocks is wrong", heap.handle, stats.live_blocks);
  }
  // In the preset secure with what is kept behind each.
  if (internal::kIsSecure ? stats.live_bytes < bytes
                          : stats.live_bytes != bytes) {
    ModelFailed("live_bytes is wrong", heap.handle, stats.live_bytes);
  }
}

}  // namespace myonly::testing
