// What a program has not written is not zero, and it may copy it: then nothing
// in the copy may say that it is free.
#include <cstddef>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kSizes[] = {48, 432, 640, 704, 896, 1024};
constexpr size_t kLargeSizes[] = {1100,      2000,       5000,      40 * kKiB,
                                  70 * kKiB, 128 * kKiB, 300 * kKiB};

void* Allocate(myonly_arena* arena, size_t size) {
  return arena == nullptr ? myonly_alloc(size)
                          : myonly_arena_alloc(arena, size);
}

// Leaves memory free that objects of this size were in.
void LeaveObjects(myonly_arena* arena, size_t size) {
  std::vector<void*> objects(4000);
  for (void*& object : objects) object = Allocate(arena, size);
  for (void* object : objects) myonly_free(object);
}

std::vector<void*> Unwritten(myonly_arena* arena, size_t size) {
  std::vector<void*> blocks(20);
  for (void*& block : blocks) block = Allocate(arena, size);
  return blocks;
}

// Calls visit(arena, block, size) for blocks of memory that was used before.
template <typename Visit>
void VisitUnwritten(Visit visit) {
  for (int number = 0; number < 2; ++number) {
    myonly_arena* arena = nullptr;
    if (number == 1) {
      ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
    }
    for (const size_t size : kSizes) {
      for (const size_t large : kLargeSizes) {
        LeaveObjects(arena, size);
        for (void* block : Unwritten(arena, large)) visit(arena, block, size);
      }
    }
    if (arena != nullptr) {
      EXPECT_EQ(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
    }
  }
}

TEST(UnwrittenTest, ABlockThatReallocMakesSmallIsLive) {
  VisitUnwritten([](myonly_arena* arena, void* block, size_t size) {
    void* small = arena == nullptr ? myonly_realloc(block, size)
                                   : myonly_arena_realloc(arena, block, size);
    ASSERT_NE(small, nullptr);
    EXPECT_GE(myonly_usable_size(small), size);
    myonly_free(small);
  });
}

TEST(UnwrittenTest, ACopyOfABlockIsLive) {
  VisitUnwritten([](myonly_arena* arena, void* block, size_t size) {
    void* small = Allocate(arena, size);
    ASSERT_NE(small, nullptr);
    memcpy(small, block, size);
    EXPECT_GE(myonly_usable_size(small), size);
    myonly_free(small);
    myonly_free(block);
  });
}

}  // namespace
