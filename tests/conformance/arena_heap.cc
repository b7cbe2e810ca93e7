#include "tests/conformance/arena_heap.h"

#include <stdint.h>
#include <string.h>

#include <algorithm>

#include "allocator/arena/arena_options.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::testing {

using internal::HugeMapping;
using internal::RunKind;
using internal::Slice;
using internal::Status;

namespace {

// Nobody attacks a test, and equal runs are easier to understand.
uint64_t Seed() { return 0x1234567890abcdef; }

}  // namespace

ArenaHeap::ArenaHeap(ArenaGround& ground)
    : ground_(ground),
      arena_(ground.runs(), ground.huge(), Seed, "conformance") {
  arena_.Open(internal::ArenaOptions());
}

ArenaHeap::~ArenaHeap() { EXPECT_TRUE(arena_.Close(/*require_empty=*/true)); }

void* ArenaHeap::Allocate(size_t size) {
  Status status = Status::kOk;
  void* block = arena_.Allocate(size, &status);
  EXPECT_EQ(block == nullptr, status != Status::kOk);
  return block;
}

void* ArenaHeap::AllocateZeroed(size_t count, size_t size) {
  Status status = Status::kOk;
  // The product is the caller's to check.
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  return arena_.AllocateZeroed(count * size, &status);
}

void* ArenaHeap::AllocateAligned(size_t alignment, size_t size) {
  Status status = Status::kOk;
  return arena_.AllocateAligned(size, alignment, &status);
}

// In place where the arena can, else by moving, as the process heap does.
void* ArenaHeap::Reallocate(void* block, size_t size) {
  if (Resize(&block, size)) return block;
  void* moved = Allocate(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, std::min(size, UsableSize(block)));
  Free(block);
  return moved;
}

bool ArenaHeap::Resize(void** block, size_t size) {
  Slice* slice = ground_.runs().Find(*block);
  if (slice == nullptr) {
    return arena_.ResizeHuge(ground_.huge().Find(*block), block, size,
                             /*may_move=*/true);
  }
  if (slice->kind == RunKind::kRegion) {
    return arena_.ResizeBlock(slice, *block, size);
  }
  return arena_.ResizeLarge(ground_.runs().FindRun(slice), *block, size);
}

void ArenaHeap::Free(void* block) {
  if (block == nullptr) return;
  Slice* slice = ground_.runs().Find(block);
  if (slice == nullptr) {
    arena_.FreeHuge(ground_.huge().Find(block), block);
  } else if (slice->kind == RunKind::kRegion) {
    arena_.FreeBlock(slice, block);
  } else {
    arena_.FreeLarge(ground_.runs().FindRun(slice), block);
  }
}

size_t ArenaHeap::UsableSize(const void* block) {
  if (block == nullptr) return 0;
  const Slice* slice = ground_.runs().Find(block);
  if (slice == nullptr) {
    return internal::Arena::UsableHuge(ground_.huge().Find(block), block);
  }
  if (slice->kind == RunKind::kRegion) {
    return arena_.UsableBlock(slice, const_cast<void*>(block));
  }
  return arena_.UsableLarge(ground_.runs().FindRun(slice), block);
}

bool ArenaHeap::Check() {
  ground_.runs().CheckInvariants();
  ground_.huge().CheckInvariants();
  internal::BrokenInvariant broken;
  return arena_.CheckInvariants(internal::Arena::LookAtAll, &broken);
}

}  // namespace myonly::testing
