#include "tests/fault/scene.h"

#include <algorithm>
#include <iterator>

#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// Larger blocks are written at both ends only, or a sweep would take minutes.
constexpr size_t kWholeBytes = 16 * 1024;
constexpr size_t kEndBytes = 4096;

void FillBlock(char* start, size_t bytes, uint32_t tag) {
  if (bytes <= kWholeBytes) return Fill(start, bytes, tag);
  Fill(start, kEndBytes, tag);
  Fill(start + bytes - kEndBytes, kEndBytes, tag + 1);
}

}  // namespace

void* CountingPages::Reserve(size_t bytes, size_t alignment, Access access) {
  void* start = fake_.Reserve(bytes, alignment, access);
  if (start != nullptr && access == Access::kNone) {
    addresses_[start] = {bytes, false};
  }
  return start;
}

bool CountingPages::Commit(void* start, size_t bytes) {
  if (!fake_.Commit(start, bytes)) return false;
  const auto range = Find(start);
  if (range != addresses_.end()) {
    range->second.used = true;
  } else {  // in secure the page behind a mapping, before that grows
    EXPECT_EQ(bytes, kPageSize);
    faulting_.erase(start);
  }
  return true;
}

bool CountingPages::Decommit(void* start, size_t bytes) {
  if (!fake_.Decommit(start, bytes)) return false;
  if (Find(start) == addresses_.end()) {
    // The last page may have been made to fault before the whole mapping is.
    char* last = static_cast<char*>(start) + bytes - kPageSize;
    faulting_.erase(last);
    faulting_[start] = bytes;
  }
  return true;
}

bool CountingPages::Purge(void* start, size_t bytes) {
  return fake_.Purge(start, bytes);
}

bool CountingPages::Release(void* start, size_t bytes) {
  if (!fake_.Release(start, bytes)) {
    stuck_bytes_ += bytes;
    return false;
  }
  char* const end = static_cast<char*>(start) + bytes;
  const auto range = Find(start);
  if (range != addresses_.end()) {
    // What lies before and behind stays.
    auto* const first = static_cast<char*>(range->first);
    const Addresses whole = range->second;
    char* const last = first + whole.bytes;
    addresses_.erase(range);
    const auto before = static_cast<size_t>(static_cast<char*>(start) - first);
    if (before != 0) addresses_[first] = {before, whole.used};
    if (end < last) {
      addresses_[end] = {static_cast<size_t>(last - end), whole.used};
    }
  }
  faulting_.erase(start);
  faulting_.erase(end - kPageSize);
  return true;
}

std::map<void*, CountingPages::Addresses>::iterator CountingPages::Find(
    void* start) {
  const auto after = addresses_.upper_bound(start);
  if (after == addresses_.begin()) return addresses_.end();
  const auto range = std::prev(after);
  const auto offset = static_cast<size_t>(static_cast<char*>(start) -
                                          static_cast<char*>(range->first));
  return offset < range->second.bytes ? range : addresses_.end();
}

size_t CountingPages::usable_bytes() const {
  size_t bytes = fake_.reserved_bytes();
  for (const auto& [start, range] : addresses_) bytes -= range.bytes;
  for (const auto& [start, range] : faulting_) bytes -= range;
  return bytes;
}

size_t CountingPages::unused_address_bytes() const {
  size_t bytes = 0;
  for (const auto& [start, range] : addresses_) {
    if (!range.used) bytes += range.bytes;
  }
  return bytes;
}

void* CountingPages::Remap(void* start, size_t old_bytes, size_t new_bytes) {
  return fake_.Remap(start, old_bytes, new_bytes);
}

bool CountingPages::Move(void* start, size_t bytes, void* target) {
  return fake_.Move(start, bytes, target);
}

size_t CountingPages::ReservationLimit() const {
  return fake_.ReservationLimit();
}

Scene::Scene(size_t reservation_bytes)
    : fake_(reservation_bytes),
      pages_(fake_),
      ground_(pages_),
      registry_(pages_, ground_.metadata(), ground_.runs(), ground_.huge(),
                TestSeed),
      arena_(ground_.runs(), ground_.huge(), TestSeed, "scene") {
  arena_.Open(ArenaOptions());
}

bool Scene::Record(Arena& arena, void* ptr, size_t size, Status status) {
  if (ptr == nullptr) {
    EXPECT_EQ(status, Status::kNoMemory);
    Check();
    return false;
  }
  EXPECT_EQ(status, Status::kOk);
  EXPECT_GE(ground_.UsableSize(ptr), size);
  EXPECT_EQ(ground_.OwnerOf(ptr), &arena);
  blocks_.push_back({static_cast<char*>(ptr), size, next_tag_, &arena});
  FillBlock(blocks_.back().start, size, next_tag_);
  next_tag_ += 2;
  return true;
}

bool Scene::AllocateFrom(Arena& arena, size_t size) {
  Status status = Status::kOk;
  void* ptr = arena.Allocate(size, &status);
  return Record(arena, ptr, size, status);
}

bool Scene::AllocateZeroed(size_t size) {
  Status status = Status::kOk;
  void* ptr = arena_.AllocateZeroed(size, &status);
  EXPECT_TRUE(ptr == nullptr || IsZero(ptr, size)) << size;
  return Record(arena_, ptr, size, status);
}

bool Scene::AllocateAligned(size_t size, size_t alignment) {
  Status status = Status::kOk;
  void* ptr = arena_.AllocateAligned(size, alignment, &status);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(ptr) % alignment, 0U);
  return Record(arena_, ptr, size, status);
}

bool Scene::Reallocate(size_t index, size_t size) {
  Block& block = blocks_[index];
  Status status = Status::kOk;
  void* moved = ground_.Reallocate(block.start, size, &status);
  if (moved == nullptr) {
    EXPECT_EQ(status, Status::kNoMemory);
    Check();
    return false;
  }
  block.start = static_cast<char*>(moved);
  EXPECT_GE(ground_.UsableSize(moved), size);
  ExpectContents(block, std::min(block.bytes, size));
  block.bytes = size;
  FillBlock(block.start, size, block.tag);
  return true;
}

void Scene::Free(size_t index) {
  ExpectContents(blocks_[index], blocks_[index].bytes);
  ground_.Free(blocks_[index].start);
  blocks_[index] = blocks_.back();
  blocks_.pop_back();
}

void Scene::FreeAll() {
  while (!blocks_.empty()) Free(blocks_.size() - 1);
}

// The first `bytes` of a block that was written with its own size.
void Scene::ExpectContents(const Block& block, size_t bytes) {
  if (block.bytes <= kWholeBytes) {
    EXPECT_TRUE(IsFilled(block.start, bytes, block.tag)) << block.bytes;
    return;
  }
  EXPECT_TRUE(IsFilled(block.start, std::min(bytes, kEndBytes), block.tag));
  if (bytes == block.bytes) {
    EXPECT_TRUE(
        IsFilled(block.start + bytes - kEndBytes, kEndBytes, block.tag + 1))
        << bytes;
  }
}

Arena* Scene::CreateArena() {
  ArenaHandle handle = 0;
  const Status created = registry_.Create(ArenaOptions(), &handle);
  if (created != Status::kOk) {
    EXPECT_EQ(created, Status::kNoMemory);
    Check();
    return nullptr;
  }
  Status status;
  Arena* arena = registry_.Find(handle, &status);
  EXPECT_NE(arena, nullptr);
  created_.push_back(arena);
  return arena;
}

void Scene::ResetArena(Arena* arena) {
  DropBlocksOf(arena);
  arena->Reset();
}

void Scene::DestroyArena(Arena* arena) {
  DropBlocksOf(arena);
  EXPECT_EQ(registry_.Destroy(arena->token(), /*require_empty=*/false),
            Status::kOk);
  created_.erase(std::find(created_.begin(), created_.end(), arena));
}

void Scene::DropBlocksOf(Arena* arena) {
  blocks_.erase(std::remove_if(blocks_.begin(), blocks_.end(),
                               [arena](const Block& block) {
                                 return block.arena == arena;
                               }),
                blocks_.end());
}

void Scene::Purge() {
  arena_.Purge();
  for (Arena* arena : created_) arena->Purge();
  ground_.runs().Purge(0);
  ground_.huge().Purge(0);
}

void Scene::Check() {
  for (const Block& block : blocks_) ExpectContents(block, block.bytes);
  EXPECT_TRUE(ground_.Check(arena_));
  for (Arena* arena : created_) EXPECT_TRUE(ground_.Check(*arena));
  EXPECT_EQ(arena_.Stats().live_blocks,
            static_cast<uint64_t>(std::count_if(blocks_.begin(), blocks_.end(),
                                                [this](const Block& block) {
                                                  return block.arena == &arena_;
                                                })));
}

void Scene::ExpectWorks() {
  for (size_t size :
       {size_t{100}, size_t{50000}, size_t{1} << 20, kMaxLargeRequest + 1}) {
    EXPECT_TRUE(Allocate(size)) << size;
    EXPECT_TRUE(AllocateZeroed(size)) << size;
  }
  EXPECT_NE(CreateArena(), nullptr);
}

void Scene::ExpectNothingLeaks() {
  while (!created_.empty()) DestroyArena(created_.back());
  FreeAll();
  EXPECT_TRUE(arena_.Close(/*require_empty=*/true));
  Purge();
  EXPECT_EQ(ground_.runs().live_bytes(), 0U);
  EXPECT_EQ(ground_.runs().dirty_bytes(), 0U);
  EXPECT_EQ(ground_.huge().live_bytes(), 0U);
  EXPECT_EQ(ground_.huge().cached_bytes(), 0U);
  // The registry's table is there from its first arena on.
  const size_t tables =
      AlignUp((ArenaRegistry::kMaxArenas + 1) * 32, kPageSize);
  const size_t metadata = ground_.metadata().reserved_bytes();
  const size_t held = pages_.usable_bytes();
  EXPECT_GE(held, metadata);
  EXPECT_LE(held, metadata + tables + pages_.stuck_bytes());
  EXPECT_LE(pages_.unused_address_bytes(), pages_.stuck_bytes());
  EXPECT_TRUE(ground_.Check(arena_));
}

}  // namespace myonly::internal
