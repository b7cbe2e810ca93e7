// The calls of the C API whose time counts. Apart for its flags: the others are
// compiled for size.

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/heap.h"
#include "capi/checked.h"
#include "myonly/myonly.h"

namespace {

using myonly::internal::ArenaHandle;
using myonly::internal::Checked;
using myonly::internal::Heap;
using myonly::internal::kMinAlignment;

// Apart, so that what is quick needs no stack.
ABSL_ATTRIBUTE_NOINLINE void* AllocSlow(size_t size) {
  return Checked(Heap::AllocateSlow(size));
}

ABSL_ATTRIBUTE_NOINLINE void* ArenaAllocSlow(ArenaHandle arena, size_t size) {
  void* ptr = Heap::AllocateInSlow(arena, size, kMinAlignment);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : Checked(nullptr);
}

}  // namespace

// They begin where instructions are fetched.
#define MYONLY_HOT __attribute__((aligned(32)))

extern "C" {

MYONLY_HOT void* myonly_alloc(size_t size) noexcept {
  void* ptr = Heap::AllocateQuick(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : AllocSlow(size);
}

// A jump, as a copy of it would be 300 bytes.
MYONLY_HOT void myonly_free(void* ptr) noexcept { Heap::Free(ptr); }

MYONLY_HOT void* myonly_arena_alloc(myonly_arena* arena, size_t size) noexcept {
  const auto handle = reinterpret_cast<ArenaHandle>(arena);
  void* ptr = Heap::AllocateInQuick(handle, size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : ArenaAllocSlow(handle, size);
}

}  // extern "C"
