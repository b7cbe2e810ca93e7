// The conformance suite on the C API: the process heap, and an arena.
#include <stdlib.h>

#include <memory>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/testing.h"
#include "tests/conformance/heap.h"

namespace myonly::testing {
namespace {

class ProcessHeapOfCApi final : public Heap {
 public:
  void* Allocate(size_t size) override { return myonly_alloc(size); }
  void* AllocateZeroed(size_t count, size_t size) override {
    return myonly_calloc(count, size);
  }
  void* AllocateAligned(size_t alignment, size_t size) override {
    return myonly_aligned_alloc(alignment, size);
  }
  void* Reallocate(void* block, size_t size) override {
    return myonly_realloc(block, size);
  }
  void Free(void* block) override { myonly_free(block); }
  size_t UsableSize(const void* block) override {
    return myonly_usable_size(block);
  }
  bool Check() override { return myonly_arena_check(nullptr) == MYONLY_OK; }
};

class ArenaOfCApi final : public Heap {
 public:
  ArenaOfCApi() {
    if (myonly_arena_create(nullptr, &arena_) != MYONLY_OK) abort();
  }
  ~ArenaOfCApi() override {
    // Each test has freed all its blocks.
    EXPECT_EQ(myonly_arena_destroy(arena_, MYONLY_DESTROY_REQUIRE_EMPTY),
              MYONLY_OK);
  }
  void* Allocate(size_t size) override {
    return myonly_arena_alloc(arena_, size);
  }
  void* AllocateZeroed(size_t count, size_t size) override {
    return myonly_arena_calloc(arena_, count, size);
  }
  void* AllocateAligned(size_t alignment, size_t size) override {
    return myonly_arena_aligned_alloc(arena_, alignment, size);
  }
  void* Reallocate(void* block, size_t size) override {
    return myonly_arena_realloc(arena_, block, size);
  }
  void Free(void* block) override { myonly_free(block); }
  size_t UsableSize(const void* block) override {
    return myonly_usable_size(block);
  }
  bool Check() override { return myonly_arena_check(arena_) == MYONLY_OK; }

 private:
  myonly_arena* arena_ = nullptr;
};

MYONLY_INSTANTIATE_CONFORMANCE(
    {"ProcessHeap", [] { return std::make_unique<ProcessHeapOfCApi>(); }},
    {"Arena", [] { return std::make_unique<ArenaOfCApi>(); }});

// A wrong size would be reported, and abort.
class SizedFreeTest : public ::testing::TestWithParam<size_t> {};

TEST_P(SizedFreeTest, TakesAnySizeUpToTheOneThatWasTold) {
  const size_t size = GetParam();
  for (const size_t alignment : {16, 256, 4096}) {
    for (const int part : {0, 1, 2}) {
      size_t actual = 0;
      void* block = myonly_alloc_at_least(size, alignment, &actual);
      ASSERT_NE(block, nullptr);
      ASSERT_GE(actual, size);
      myonly_free_sized(block, size + (actual - size) * part / 2, alignment);
    }
  }
}

TEST_P(SizedFreeTest, TakesTheSizeOfAReallocForWhichThereWasNoMemory) {
  myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
  options.probability = 1;
  for (const size_t less : {GetParam() / 3 + 1, size_t{10}, size_t{1}}) {
    if (less > GetParam()) continue;
    void* block = myonly_alloc(GetParam());
    ASSERT_NE(block, nullptr);
    ASSERT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_OK);
    block = myonly_realloc(block, less);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(myonly_fault_end(nullptr, nullptr), MYONLY_OK);
    myonly_free_sized(block, less, 16);
  }
  EXPECT_EQ(myonly_arena_check(nullptr), MYONLY_OK);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SizedFreeTest,
                         ::testing::Values(1, 10, 100, 1000, 1025, 5000, 40000,
                                           70000, 100000, 1000000, 20000000));

}  // namespace
}  // namespace myonly::testing
