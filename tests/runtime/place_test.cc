// What has an address, told while another thread may be freeing the block.
#include "allocator/runtime/place.h"

#include <cstddef>

#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/runtime/process_heap.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(PlaceTest, ASliceInUseTellsItsKindAndOwner) {
  int owner;
  Slice slice = {};
  slice.owner = &owner;
  slice.kind = RunKind::kLarge;
  EXPECT_EQ(HolderOf(&slice).kind, RunKind::kLarge);
  EXPECT_EQ(HolderOf(&slice).owner, &owner);
}

// As a run is found that another thread is giving up at this moment.
TEST(PlaceTest, WhatHasNoOwnerIsFree) {
  for (RunKind kind : {RunKind::kRegion, RunKind::kSubHeapRegion,
                       RunKind::kSlab, RunKind::kLarge}) {
    Slice slice = {};
    slice.kind = kind;
    EXPECT_EQ(HolderOf(&slice).kind, RunKind::kFree);
    EXPECT_EQ(ArenaOfPlace({&slice, nullptr}), nullptr);
  }
}

TEST(PlaceTest, AMappingWithoutOwnerHasNoArena) {
  HugeMapping mapping = {};
  EXPECT_EQ(ArenaOfPlace({nullptr, &mapping}), nullptr);
}

TEST(PlaceTest, BlocksOfAllKindsAreTheDefaultArenas) {
  for (size_t size : {size_t{100}, size_t{60000}, kMiB, 40 * kMiB}) {
    void* ptr = ProcessHeap::Allocate(size);
    EXPECT_EQ(ArenaOfPlace(Locate(ptr)), &process_globals.default_arena)
        << size;
    ProcessHeap::Free(ptr);
  }
}

TEST(PlaceTest, AFreedLargeBlockHasNoArena) {
  for (size_t inside : {size_t{0}, kSliceSize}) {
    char* ptr = static_cast<char*>(ProcessHeap::Allocate(kMiB));
    const Place place = Locate(ptr + inside);
    ProcessHeap::Free(ptr);
    EXPECT_EQ(ArenaOfPlace(place), nullptr) << inside;
  }
}

// The second of two threads has looked at the kind before the first freed.
TEST(PlaceDeathTest, AFreedLargeBlockIsToldByAllThatUseIt) {
  void* ptr = ProcessHeap::Allocate(kMiB);
  const Place place = Locate(ptr);
  Arena* arena = ArenaOfPlace(place);
  ASSERT_NE(arena, nullptr);
  ProcessHeap::Free(ptr);
  EXPECT_DEATH(arena->FreeLarge(place.slice, ptr), "double free at 0x");
  EXPECT_DEATH(arena->ResizeLarge(place.slice, ptr, 2 * kMiB),
               "use of a freed block at 0x");
  EXPECT_DEATH(arena->UsableLarge(place.slice, ptr),
               "use of a freed block at 0x");
}

TEST(PlaceDeathTest, AFreedHugeBlockIsToldByAllThatUseIt) {
  void* ptr = ProcessHeap::Allocate(40 * kMiB);
  const Place place = Locate(ptr);
  Arena* arena = ArenaOfPlace(place);
  ASSERT_NE(arena, nullptr);
  ProcessHeap::Free(ptr);
  EXPECT_DEATH(arena->FreeHuge(place.mapping, ptr), "double free at 0x");
  EXPECT_DEATH(arena->ResizeHuge(place.mapping, &ptr, 50 * kMiB, false),
               "use of a freed block at 0x");
}

}  // namespace
}  // namespace myonly::internal
