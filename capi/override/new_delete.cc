// operator new and delete of the process, without libstdc++: what only C++
// programs need (the new handler, std::bad_alloc, catching) is reached through
// weak references, which are NULL in programs without it.
//
// As the standard wants, all forms come down to four that allocate and free,
// by calls that a program's own definitions answer: one that replaces operator
// new(size_t) and operator delete(void*) alone must get all objects. For its
// sake they are weak, too, where they are linked into the program.

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <new>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/heap.h"
#include "allocator/threads/this_thread.h"

// libstdc++ may be absent. Of an archive of it the linker takes no part for
// the sake of a weak reference, so each one has to be asked for.
namespace std {
__attribute__((weak)) new_handler get_new_handler() noexcept;
}  // namespace std

// What compilers call for `catch` and `noexcept`.
asm(".weak __cxa_begin_catch");
asm(".weak __cxa_end_catch");
asm(".weak __gxx_personality_v0");
asm(".weak _ZSt9terminatev");

// What `throw std::bad_alloc()` comes to. Spelled out, as compilers would make
// a copy of its type here, one that needs libstdc++.
extern "C" {
void* AllocateException(size_t size) __asm__("__cxa_allocate_exception")
    __attribute__((weak));
void Throw(void* object, const void* type,
           void (*destroy)(void*)) __asm__("__cxa_throw") __attribute__((weak));
extern const void* const BadAllocType[] __asm__("_ZTISt9bad_alloc")
    __attribute__((weak));
extern const void* const BadAllocTable[] __asm__("_ZTVSt9bad_alloc")
    __attribute__((weak));
void DestroyBadAlloc(void* object) __asm__("_ZNSt9bad_allocD1Ev")
    __attribute__((weak));
}

namespace {

using myonly::internal::Heap;
using myonly::internal::IsPowerOfTwo;
using myonly::internal::kIsSecure;
using myonly::internal::kMinAlignment;
using myonly::internal::this_thread;

void* AllocateOnce(size_t size, size_t alignment) {
  return Heap::OfNew(alignment <= kMinAlignment
                         ? Heap::Allocate(size)
                         : Heap::AllocateAligned(alignment, size));
}

// Calls the new handler until there is memory or no handler. NULL: none left.
// errno is as malloc sets it, for handlers and callers that look at it. With
// `has_failed` the first request was made before.
ABSL_ATTRIBUTE_COLD void* AllocateWithHandler(size_t size, size_t alignment,
                                              bool has_failed = false) {
  // No handler can mend it.
  if (ABSL_PREDICT_FALSE(!IsPowerOfTwo(alignment))) return nullptr;
  for (;;) {
    void* ptr = has_failed ? nullptr : AllocateOnce(size, alignment);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
    has_failed = false;
    errno = ENOMEM;
    std::new_handler handler =
        &std::get_new_handler != nullptr ? std::get_new_handler() : nullptr;
    if (handler == nullptr) return nullptr;
    handler();
  }
}

// A program where one is missing can't catch std::bad_alloc anyway.
bool CanThrow() {
  return &AllocateException != nullptr && &Throw != nullptr &&
         BadAllocType != nullptr;
}

ABSL_ATTRIBUTE_COLD void ThrowBadAlloc() {
  void* object = AllocateException(sizeof(std::bad_alloc));
  // Where the table's functions start, behind the offset and the type.
  *static_cast<const void* const**>(object) = BadAllocTable + 2;
  Throw(object, BadAllocType, DestroyBadAlloc);
}

ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void* NewSlow(
    size_t size, size_t alignment, bool has_failed = false) {
  void* ptr = AllocateWithHandler(size, alignment, has_failed);
  if (ptr != nullptr) return ptr;
  if (CanThrow()) ThrowBadAlloc();
  myonly::internal::ReportAndAbort("operator new: out of memory", nullptr);
}

// Where no list has an object for it; as malloc does.
ABSL_ATTRIBUTE_NOINLINE void* NewBlock(size_t size) {
  void* ptr = size < this_thread.list_bytes_end
                  ? nullptr
                  : Heap::AllocateMediumQuick(size);
  if (ABSL_PREDICT_FALSE(ptr == nullptr)) ptr = Heap::AllocateSlow(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr)
             ? ptr
             : NewSlow(size, kMinAlignment, /*has_failed=*/true);
}

// What `allocate`, a throwing form, returns; NULL if it throws, whatever that
// is: a new handler may throw types of its own.
template <typename Allocate>
void* OrNull(size_t size, size_t alignment, Allocate allocate) noexcept {
  if (!CanThrow()) return AllocateWithHandler(size, alignment);
  try {
    return allocate();
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

#define MYONLY_EXPORT __attribute__((weak, visibility("default")))

MYONLY_EXPORT void* operator new(size_t size) {
  if constexpr (kIsSecure) return NewSlow(size, kMinAlignment);
  void* ptr = Heap::AllocateQuick(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : NewBlock(size);
}
MYONLY_EXPORT void* operator new(size_t size, std::align_val_t alignment) {
  return NewSlow(size, static_cast<size_t>(alignment));
}
MYONLY_EXPORT void* operator new[](size_t size) { return ::operator new(size); }
MYONLY_EXPORT void* operator new[](size_t size, std::align_val_t alignment) {
  return ::operator new(size, alignment);
}
MYONLY_EXPORT void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return OrNull(size, kMinAlignment, [=] { return ::operator new(size); });
}
MYONLY_EXPORT void* operator new[](size_t size,
                                   const std::nothrow_t&) noexcept {
  return OrNull(size, kMinAlignment, [=] { return ::operator new[](size); });
}
MYONLY_EXPORT void* operator new(size_t size, std::align_val_t alignment,
                                 const std::nothrow_t&) noexcept {
  return OrNull(size, static_cast<size_t>(alignment),
                [=] { return ::operator new(size, alignment); });
}
MYONLY_EXPORT void* operator new[](size_t size, std::align_val_t alignment,
                                   const std::nothrow_t&) noexcept {
  return OrNull(size, static_cast<size_t>(alignment),
                [=] { return ::operator new[](size, alignment); });
}

// Known here under other names, too, which nobody can replace.
#define MYONLY_HIDDEN extern "C" __attribute__((visibility("hidden")))
MYONLY_HIDDEN void myonly_delete(void* ptr) noexcept;
MYONLY_HIDDEN void myonly_delete_array(void* ptr) noexcept;
MYONLY_HIDDEN void myonly_delete_aligned(void* ptr,
                                         std::align_val_t alignment) noexcept;
MYONLY_HIDDEN void myonly_delete_aligned_array(
    void* ptr, std::align_val_t alignment) noexcept;

// As free: aligned, and with no call in between.
__attribute__((aligned(32))) void myonly_delete(void* ptr) noexcept {
  Heap::DeleteInline(ptr);
}
void myonly_delete_array(void* ptr) noexcept { ::operator delete(ptr); }
void myonly_delete_aligned(void* ptr, std::align_val_t /*alignment*/) noexcept {
  Heap::Delete(ptr);
}
void myonly_delete_aligned_array(void* ptr,
                                 std::align_val_t alignment) noexcept {
  ::operator delete(ptr, alignment);
}

MYONLY_EXPORT __attribute__((alias("myonly_delete"))) void operator delete(
    void* ptr) noexcept;
MYONLY_EXPORT __attribute__((alias("myonly_delete_aligned"))) void
operator delete(void* ptr, std::align_val_t alignment) noexcept;
MYONLY_EXPORT __attribute__((alias("myonly_delete_array"))) void
operator delete[](void* ptr) noexcept;
MYONLY_EXPORT __attribute__((alias("myonly_delete_aligned_array"))) void
operator delete[](void* ptr, std::align_val_t alignment) noexcept;
// Where the program has not replaced the form that all come down to, the size
// is looked at.
MYONLY_EXPORT void operator delete(void* ptr, size_t size) noexcept {
  void (*deletes)(void*) = ::operator delete;
  if (ABSL_PREDICT_FALSE(deletes != myonly_delete)) return deletes(ptr);
  Heap::DeleteInline(ptr, size);
}
MYONLY_EXPORT void operator delete[](void* ptr, size_t size) noexcept {
  void (*deletes)(void*) = ::operator delete[];
  if (ABSL_PREDICT_FALSE(deletes != myonly_delete_array)) return deletes(ptr);
  ::operator delete(ptr, size);
}
MYONLY_EXPORT void operator delete(void* ptr, size_t size,
                                   std::align_val_t alignment) noexcept {
  void (*deletes)(void*, std::align_val_t) = ::operator delete;
  if (ABSL_PREDICT_FALSE(deletes != myonly_delete_aligned)) {
    return deletes(ptr, alignment);
  }
  Heap::Delete(ptr, size, static_cast<size_t>(alignment));
}
MYONLY_EXPORT void operator delete[](void* ptr, size_t size,
                                     std::align_val_t alignment) noexcept {
  void (*deletes)(void*, std::align_val_t) = ::operator delete[];
  if (ABSL_PREDICT_FALSE(deletes != myonly_delete_aligned_array)) {
    return deletes(ptr, alignment);
  }
  ::operator delete(ptr, size, alignment);
}
MYONLY_EXPORT void operator delete(void* ptr, const std::nothrow_t&) noexcept {
  ::operator delete(ptr);
}
MYONLY_EXPORT void operator delete[](void* ptr,
                                     const std::nothrow_t&) noexcept {
  ::operator delete[](ptr);
}
MYONLY_EXPORT void operator delete(void* ptr, std::align_val_t alignment,
                                   const std::nothrow_t&) noexcept {
  ::operator delete(ptr, alignment);
}
MYONLY_EXPORT void operator delete[](void* ptr, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
  ::operator delete[](ptr, alignment);
}
