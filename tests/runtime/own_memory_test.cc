// Arenas with memory of their own, made and removed.
#include "allocator/runtime/own_memory.h"

#include <cstddef>
#include <set>

#include "allocator/arena/arena_registry.h"
#include "allocator/base/status.h"
#include "allocator/runtime/process_heap.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

alignas(4096) char buffer[1 << 20];

ArenaHandle CreateIn(void* memory, size_t bytes) {
  ArenaHandle handle = 0;
  EXPECT_EQ(ProcessHeap::CreateArenaIn(memory, bytes, ArenaOptions(), &handle),
            Status::kOk);
  return handle;
}

Arena& Find(ArenaHandle handle) {
  Status status;
  return *ProcessHeap::FindArena(handle, &status);
}

TEST(OwnMemoryTest, IsFreeAgainWhenItsArenaIsGone) {
  for (int round = 0; round < 3; ++round) {
    const ArenaHandle handle = CreateIn(buffer, sizeof(buffer));
    ArenaHandle other = 0;
    EXPECT_EQ(ProcessHeap::CreateArenaIn(buffer + 4096, sizeof(buffer) / 2,
                                         ArenaOptions(), &other),
              Status::kBusy);
    ASSERT_NE(ProcessHeap::AllocateIn(handle, 1000), nullptr);
    // Not while there is a block in it.
    EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kBusy);
    EXPECT_EQ(ProcessHeap::DestroyArena(handle, false), Status::kOk);
  }
}

TEST(OwnMemoryTest, ItsAddressesAreItsArenas) {
  const ArenaHandle handle = CreateIn(buffer, sizeof(buffer));
  for (size_t size : {100, 20000, 200000}) {
    auto* ptr = static_cast<char*>(ProcessHeap::AllocateIn(handle, size));
    ASSERT_GE(ptr, buffer) << size;
    ASSERT_LE(ptr + size, buffer + sizeof(buffer)) << size;
    ArenaHandle owner = 0;
    EXPECT_EQ(ProcessHeap::ArenaOf(ptr, &owner), Status::kOk) << size;
    EXPECT_EQ(owner, handle) << size;
    EXPECT_GE(ProcessHeap::UsableSize(ptr), size);
    ProcessHeap::Free(ptr);
  }
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kOk);
  ArenaHandle owner = 0;
  EXPECT_EQ(ProcessHeap::ArenaOf(buffer + 8192, &owner), Status::kInvalid);
}

TEST(OwnMemoryTest, InvariantsHoldAndADamagedOneIsTold) {
  const ArenaHandle handle = CreateIn(buffer, sizeof(buffer));
  auto* ptr = static_cast<char*>(ProcessHeap::AllocateIn(handle, 1000));
  ASSERT_NE(ptr, nullptr);
  const size_t usable = ProcessHeap::UsableSize(ptr);
  BrokenInvariant broken;
  EXPECT_TRUE(ProcessHeap::CheckArena(Find(handle), &broken));
  ptr[usable] = static_cast<char>(~ptr[usable]);
  EXPECT_FALSE(ProcessHeap::CheckArena(Find(handle), &broken));
  ptr[usable] = static_cast<char>(~ptr[usable]);
  EXPECT_TRUE(ProcessHeap::CheckArena(Find(handle), &broken));
  EXPECT_EQ(ProcessHeap::DestroyArena(handle, false), Status::kOk);
}

void* ReserveNone(void* /*ctx*/, size_t /*bytes*/, size_t /*alignment*/) {
  return nullptr;
}

// What is kept of one over page functions is in memory of this library.
TEST(OwnMemoryTest, ArenasOverPageFunctionsLeaveNothingBehind) {
  PageFunctions pages;
  pages.reserve = ReserveNone;
  size_t first = 0;
  for (int i = 0; i < 1000; ++i) {
    ArenaHandle handle = 0;
    ASSERT_EQ(ProcessHeap::CreateArenaOver(pages, ArenaOptions(), &handle),
              Status::kOk);
    EXPECT_EQ(ProcessHeap::AllocateIn(handle, 100), nullptr);
    EXPECT_EQ(ProcessHeap::LastStatus(), Status::kNoMemory);
    EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kOk);
    if (i == 0) first = process_globals.metadata.reserved_bytes();
  }
  EXPECT_EQ(process_globals.metadata.reserved_bytes(), first);
}

TEST(OwnMemoryTest, EachOverPageFunctionsHasAPlaceOfItsOwn) {
  PageFunctions pages;
  pages.reserve = ReserveNone;
  // The second time in the places of the first ones.
  for (int round = 0; round < 2; ++round) {
    ArenaHandle handles[3] = {};
    std::set<const Arena*> places;
    for (ArenaHandle& handle : handles) {
      ASSERT_EQ(ProcessHeap::CreateArenaOver(pages, ArenaOptions(), &handle),
                Status::kOk);
      places.insert(&Find(handle));
    }
    EXPECT_EQ(places.size(), 3U) << round;
    for (const ArenaHandle handle : handles) {
      EXPECT_EQ(ProcessHeap::DestroyArena(handle, true), Status::kOk);
    }
  }
}

// An arena in a block of another one, which must not go before it.
TEST(OwnMemoryTest, TheArenaAroundItWaits) {
  ArenaHandle host = 0;
  ASSERT_EQ(ProcessHeap::CreateArena(ArenaOptions(), &host), Status::kOk);
  void* block = ProcessHeap::AllocateIn(host, sizeof(buffer));
  const ArenaHandle guest = CreateIn(block, sizeof(buffer));
  EXPECT_EQ(ProcessHeap::ResetArena(host), Status::kBusy);
  EXPECT_EQ(ProcessHeap::DestroyArena(host, false), Status::kBusy);
  EXPECT_EQ(ProcessHeap::DestroyArena(guest, false), Status::kOk);
  EXPECT_EQ(ProcessHeap::ResetArena(host), Status::kOk);
  EXPECT_EQ(ProcessHeap::DestroyArena(host, false), Status::kOk);
}

}  // namespace
}  // namespace myonly::internal
