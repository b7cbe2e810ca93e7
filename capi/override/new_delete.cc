// operator new and delete of the process, without libstdc++: what only C++
// programs need (the new handler, std::bad_alloc) is reached through weak
// references, which are NULL in programs without it.

#include <stddef.h>
#include <stdlib.h>

#include <new>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/process_heap.h"

// libstdc++ may be absent: std::get_new_handler and std::__throw_bad_alloc.
namespace std {
__attribute__((weak)) new_handler get_new_handler() noexcept;
__attribute__((weak, visibility("default"))) void __throw_bad_alloc();
}  // namespace std

namespace {

using myonly::internal::kMinAlignment;
using myonly::internal::ProcessHeap;

// Calls the new handler until there is memory or no handler. NULL: none left.
void* AllocateWithHandler(size_t size, size_t alignment) {
  for (;;) {
    void* ptr = alignment <= kMinAlignment
                    ? ProcessHeap::Allocate(size)
                    : ProcessHeap::AllocateAligned(alignment, size);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
    std::new_handler handler =
        &std::get_new_handler != nullptr ? std::get_new_handler() : nullptr;
    if (handler == nullptr) return nullptr;
    handler();
  }
}

ABSL_ATTRIBUTE_NOINLINE void* ThrowBadAlloc() {
  if (&std::__throw_bad_alloc != nullptr) std::__throw_bad_alloc();
  myonly::internal::ReportAndAbort("operator new: out of memory", nullptr);
}

void* New(size_t size, size_t alignment) {
  void* ptr = AllocateWithHandler(size, alignment);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : ThrowBadAlloc();
}

}  // namespace

#define MYONLY_EXPORT __attribute__((visibility("default")))

MYONLY_EXPORT void* operator new(size_t size) {
  void* ptr = ProcessHeap::Allocate(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : New(size, kMinAlignment);
}
MYONLY_EXPORT void* operator new[](size_t size) {
  return New(size, kMinAlignment);
}
MYONLY_EXPORT void* operator new(size_t size, std::align_val_t alignment) {
  return New(size, static_cast<size_t>(alignment));
}
MYONLY_EXPORT void* operator new[](size_t size, std::align_val_t alignment) {
  return New(size, static_cast<size_t>(alignment));
}
MYONLY_EXPORT void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return AllocateWithHandler(size, kMinAlignment);
}
MYONLY_EXPORT void* operator new[](size_t size,
                                   const std::nothrow_t&) noexcept {
  return AllocateWithHandler(size, kMinAlignment);
}
MYONLY_EXPORT void* operator new(size_t size, std::align_val_t alignment,
                                 const std::nothrow_t&) noexcept {
  return AllocateWithHandler(size, static_cast<size_t>(alignment));
}
MYONLY_EXPORT void* operator new[](size_t size, std::align_val_t alignment,
                                   const std::nothrow_t&) noexcept {
  return AllocateWithHandler(size, static_cast<size_t>(alignment));
}

// Sizes and alignments are hints; the block knows its own.
#define MYONLY_DELETE(...)                                     \
  MYONLY_EXPORT void operator delete(__VA_ARGS__) noexcept {   \
    ProcessHeap::Free(ptr);                                    \
  }                                                            \
  MYONLY_EXPORT void operator delete[](__VA_ARGS__) noexcept { \
    ProcessHeap::Free(ptr);                                    \
  }
MYONLY_DELETE(void* ptr)
MYONLY_DELETE(void* ptr, size_t)
MYONLY_DELETE(void* ptr, std::align_val_t)
MYONLY_DELETE(void* ptr, size_t, std::align_val_t)
MYONLY_DELETE(void* ptr, const std::nothrow_t&)
MYONLY_DELETE(void* ptr, std::align_val_t, const std::nothrow_t&)
