// The conformance suite on malloc & co of a program that has the allocator
// linked in as its malloc.
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <new>

#include "tests/conformance/heap.h"

namespace myonly::testing {
namespace {

class MallocFamily final : public Heap {
 public:
  void* Allocate(size_t size) override { return malloc(size); }
  void* AllocateZeroed(size_t count, size_t size) override {
    return calloc(count, size);
  }
  void* AllocateAligned(size_t alignment, size_t size) override {
    return memalign(alignment, size);
  }
  void* Reallocate(void* block, size_t size) override {
    return realloc(block, size);
  }
  void Free(void* block) override { free(block); }
  size_t UsableSize(const void* block) override {
    return malloc_usable_size(const_cast<void*>(block));
  }
};

// reallocarray and posix_memalign instead of realloc and memalign.
class OtherNamesOfMallocFamily final : public Heap {
 public:
  void* Allocate(size_t size) override { return malloc(size); }
  void* AllocateZeroed(size_t count, size_t size) override {
    return calloc(count, size);
  }
  void* AllocateAligned(size_t alignment, size_t size) override {
    void* block = nullptr;
    const size_t smallest = sizeof(void*);
    const int error = posix_memalign(
        &block, alignment < smallest ? smallest : alignment, size);
    if (error == 0) return block;
    errno = error;  // It tells by its result and leaves errno alone.
    return nullptr;
  }
  void* Reallocate(void* block, size_t size) override {
    return reallocarray(block, size, 1);
  }
  void Free(void* block) override { free(block); }
  size_t UsableSize(const void* block) override {
    return malloc_usable_size(const_cast<void*>(block));
  }
};

// As one heap, which it is in every preset but debug.
class NewAndMalloc : public Heap {
 public:
  void* Allocate(size_t size) override {
    return operator new(size, std::nothrow);
  }
  void* AllocateZeroed(size_t count, size_t size) override {
    return calloc(count, size);
  }
  void* AllocateAligned(size_t alignment, size_t size) override {
    // An aligned block may be freed by free: both are one heap.
    return operator new(size, std::align_val_t(alignment), std::nothrow);
  }
  void* Reallocate(void* block, size_t size) override {
    return realloc(block, size);
  }
  void Free(void* block) override { operator delete(block); }
  size_t UsableSize(const void* block) override {
    return malloc_usable_size(const_cast<void*>(block));
  }
  // C++ says nothing of errno; calloc and realloc are tested above.
  bool SetsErrno() const override { return false; }
};

class OperatorNew final : public NewAndMalloc {
 public:
  void* AllocateZeroed(size_t count, size_t size) override {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
    void* block = Allocate(bytes);
    return block == nullptr ? nullptr : memset(block, 0, bytes);
  }
  void* Reallocate(void* block, size_t size) override {
    if (block == nullptr) return Allocate(size);
    void* moved = size == 0 ? nullptr : Allocate(size);
    if (moved == nullptr && size != 0) return nullptr;
    if (moved != nullptr)
      memcpy(moved, block, std::min(size, UsableSize(block)));
    Free(block);
    return moved;
  }
};

MYONLY_INSTANTIATE_CONFORMANCE(
    {"Malloc", [] { return std::make_unique<MallocFamily>(); }},
    {"OtherNames", [] { return std::make_unique<OtherNamesOfMallocFamily>(); }},
    {"OperatorNew", [] { return std::make_unique<OperatorNew>(); }},
    {"NewAndMalloc", [] { return std::make_unique<NewAndMalloc>(); }});

}  // namespace
}  // namespace myonly::testing
