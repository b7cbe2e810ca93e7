// The conformance suite on the C API: the process heap, and an arena.
#include <stdlib.h>

#include <memory>

#include "myonly/myonly.h"
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

}  // namespace
}  // namespace myonly::testing
