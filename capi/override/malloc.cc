// The C malloc family of the process. One object file, so that a static link
// never needs the one of libc. The semantics are those of glibc where standards
// leave a choice: realloc(p, 0) frees and returns NULL.

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/runtime/heap.h"
#include "allocator/threads/this_thread.h"
#include "capi/override/marker.h"

#define MYONLY_EXPORT extern "C" __attribute__((visibility("default")))

// What libc's headers no longer or not yet declare.
MYONLY_EXPORT void cfree(void* ptr) noexcept;
MYONLY_EXPORT void free_sized(void* ptr, size_t size) noexcept;
MYONLY_EXPORT void free_aligned_sized(void* ptr, size_t alignment,
                                      size_t size) noexcept;

namespace {

using myonly::internal::AlignUp;
using myonly::internal::ArenaStats;
using myonly::internal::Heap;
using myonly::internal::IsPowerOfTwo;
using myonly::internal::kIsSecure;
using myonly::internal::kMaxRequest;
using myonly::internal::kMinAlignment;
using myonly::internal::kPageSize;
using myonly::internal::Max;
using myonly::internal::Status;
using myonly::internal::this_thread;

void* Fail(int error) {
  errno = error;
  return nullptr;
}

void* Checked(void* ptr) {
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : Fail(ENOMEM);
}

// Not inlined, so that malloc's fast path saves no register for it.
ABSL_ATTRIBUTE_NOINLINE void* AllocateOrFail(size_t size) {
  return Checked(Heap::AllocateSlow(size));
}

ABSL_ATTRIBUTE_NOINLINE void* AllocateMedium(size_t size) {
  void* ptr = Heap::AllocateMediumQuick(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : AllocateOrFail(size);
}

ABSL_ATTRIBUTE_NOINLINE void* AllocateZeroedOrFail(size_t count, size_t size) {
  return Checked(Heap::AllocateZeroed(count, size));
}

ABSL_ATTRIBUTE_NOINLINE void* ReallocateOrFail(void* ptr, size_t size) {
  void* moved = Heap::Reallocate(ptr, size);
  return ptr != nullptr && size == 0 ? nullptr : Checked(moved);
}

// memalign takes what is no power of two as the next one, as glibc does.
void* AlignedOrNextPower(size_t alignment, size_t size) {
  if (alignment > SIZE_MAX / 2 + 1) return Fail(EINVAL);
  size_t power = kMinAlignment;
  while (power < alignment) power *= 2;
  return Checked(Heap::AllocateAligned(power, size));
}

}  // namespace

// Whose time counts begins where instructions are fetched.
#define MYONLY_HOT __attribute__((aligned(32)))

MYONLY_EXPORT MYONLY_HOT void* malloc(size_t size) noexcept {
  if constexpr (kIsSecure) return Checked(Heap::Allocate(size));
  if (ABSL_PREDICT_FALSE(size >= this_thread.list_bytes_end)) {
    return AllocateMedium(size);
  }
  void* ptr = Heap::TakeListed(size);
  return ABSL_PREDICT_TRUE(ptr != nullptr) ? ptr : AllocateOrFail(size);
}

MYONLY_EXPORT MYONLY_HOT void free(void* ptr) noexcept {
  Heap::FreeInline(ptr);
}

MYONLY_EXPORT MYONLY_HOT void* calloc(size_t count, size_t size) noexcept {
  size_t bytes;
  if (ABSL_PREDICT_TRUE(!__builtin_mul_overflow(count, size, &bytes))) {
    void* ptr = Heap::AllocateZeroedQuick(bytes);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  }
  return AllocateZeroedOrFail(count, size);
}

MYONLY_EXPORT MYONLY_HOT void* realloc(void* ptr, size_t size) noexcept {
  return ABSL_PREDICT_TRUE(Heap::StaysInPlace(ptr, size))
             ? ptr
             : ReallocateOrFail(ptr, size);
}

MYONLY_EXPORT void* reallocarray(void* ptr, size_t count,
                                 size_t size) noexcept {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return Fail(ENOMEM);
  return realloc(ptr, bytes);
}

MYONLY_EXPORT void* aligned_alloc(size_t alignment, size_t size) noexcept {
  if (!IsPowerOfTwo(alignment)) return Fail(EINVAL);
  return Checked(Heap::AllocateAligned(alignment, size));
}

MYONLY_EXPORT int posix_memalign(void** out, size_t alignment,
                                 size_t size) noexcept {
  if (!IsPowerOfTwo(alignment) || alignment % sizeof(void*) != 0) {
    return EINVAL;
  }
  void* ptr = Heap::AllocateAligned(alignment, size);
  if (ptr == nullptr) return ENOMEM;
  *out = ptr;
  return 0;
}

MYONLY_EXPORT void* memalign(size_t alignment, size_t size) noexcept {
  return AlignedOrNextPower(alignment, size);
}

MYONLY_EXPORT void* valloc(size_t size) noexcept {
  return Checked(Heap::AllocateAligned(kPageSize, size));
}

MYONLY_EXPORT void* pvalloc(size_t size) noexcept {
  if (size > kMaxRequest - kPageSize) return Fail(ENOMEM);
  return Checked(
      Heap::AllocateAligned(kPageSize, AlignUp(Max(size, 1), kPageSize)));
}

MYONLY_EXPORT void cfree(void* ptr) noexcept { Heap::Free(ptr); }

MYONLY_EXPORT void free_sized(void* ptr, size_t size) noexcept {
  Heap::FreeSized(ptr, size, 1);
}

MYONLY_EXPORT void free_aligned_sized(void* ptr, size_t alignment,
                                      size_t size) noexcept {
  Heap::FreeSized(ptr, size, alignment);
}

MYONLY_EXPORT size_t malloc_usable_size(void* ptr) noexcept {
  return Heap::UsableSize(ptr);
}

MYONLY_EXPORT int malloc_trim(size_t keep_bytes) noexcept {
  return Heap::Purge(keep_bytes) != 0 ? 1 : 0;
}

// What glibc's parameters tune has no counterpart here: accepted, without
// effect, as programs treat a refusal as an error. Out of range is refused in
// the one case in which glibc does.
MYONLY_EXPORT int mallopt(int parameter, int value) noexcept {
  constexpr int kMostOfFastBins = 80 * sizeof(size_t) / 4;
  return parameter != M_MXFAST || (value >= 0 && value <= kMostOfFastBins);
}

MYONLY_EXPORT struct mallinfo2 mallinfo2() noexcept {
  const ArenaStats stats = Heap::Stats();
  struct mallinfo2 info = {};
  info.arena = stats.region_bytes + stats.large_bytes;
  info.hblks = stats.huge_blocks;
  info.hblkhd = stats.huge_bytes;
  // As in glibc, blocks with a mapping of their own are not in use "in" the
  // arena, and what is not in use there is free.
  info.uordblks = stats.live_bytes - stats.huge_bytes;
  info.fordblks = info.arena - info.uordblks;
  return info;
}

MYONLY_EXPORT struct mallinfo mallinfo() noexcept {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info = {};
  info.arena = static_cast<int>(wide.arena);
  info.hblks = static_cast<int>(wide.hblks);
  info.hblkhd = static_cast<int>(wide.hblkhd);
  info.uordblks = static_cast<int>(wide.uordblks);
  info.fordblks = static_cast<int>(wide.fordblks);
  return info;
}

MYONLY_EXPORT void malloc_stats() noexcept {
  const ArenaStats stats = Heap::Stats();
  fprintf(stderr,
          "Arena %s:\nsystem bytes     = %10zu\nin use bytes     = %10zu\n",
          stats.name, static_cast<size_t>(stats.reserved_bytes()),
          static_cast<size_t>(stats.live_bytes));
}

MYONLY_EXPORT int malloc_info(int options, FILE* stream) noexcept {
  if (options != 0) return EINVAL;  // as glibc does, though errno is usual
  const ArenaStats stats = Heap::Stats();
  fprintf(stream,
          "<malloc version=\"myonlymalloc-1\">\n"
          "<system type=\"current\" size=\"%zu\"/>\n"
          "<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n"
          "</malloc>\n",
          static_cast<size_t>(stats.reserved_bytes()),
          static_cast<size_t>(stats.live_blocks),
          static_cast<size_t>(stats.live_bytes));
  return 0;
}

// The declarations of <stdlib.h> promise more to the optimiser than an alias
// needs.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#endif

// Names under which parts of libc and old programs reach the family.
#define MYONLY_ALIAS(name) __attribute__((alias(name), visibility("default")))
extern "C" {
void* __libc_malloc(size_t) noexcept MYONLY_ALIAS("malloc");
void __libc_free(void*) noexcept MYONLY_ALIAS("free");
void* __libc_calloc(size_t, size_t) noexcept MYONLY_ALIAS("calloc");
void* __libc_realloc(void*, size_t) noexcept MYONLY_ALIAS("realloc");
void* __libc_memalign(size_t, size_t) noexcept MYONLY_ALIAS("memalign");
void* __libc_valloc(size_t) noexcept MYONLY_ALIAS("valloc");
void* __libc_pvalloc(size_t) noexcept MYONLY_ALIAS("pvalloc");
void* __libc_reallocarray(void*, size_t, size_t) noexcept
    MYONLY_ALIAS("reallocarray");
int __posix_memalign(void**, size_t, size_t) noexcept
    MYONLY_ALIAS("posix_memalign");
}

// The library may be loaded late (dlopen) and then serves no malloc call: ask a
// block that the symbol in force has made.
bool myonly_override_is_active() {
  void* (*volatile allocate)(size_t) = malloc;
  void (*volatile release)(void*) = free;
  void* block = allocate(1);
  uintptr_t handle;
  const bool ours =
      block != nullptr && Heap::ArenaOf(block, &handle) == Status::kOk;
  release(block);
  return ours;
}
