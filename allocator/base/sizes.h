// The constants of the layout, and arithmetic on sizes. All in bytes.
#ifndef MYONLY_ALLOCATOR_BASE_SIZES_H_
#define MYONLY_ALLOCATOR_BASE_SIZES_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

// The granule of purging and of huge mappings. Kernels with larger pages are
// not served yet.
inline constexpr size_t kPageSize = 4096;

// The granule of runs: one descriptor each.
inline constexpr size_t kSliceShift = 15;
inline constexpr size_t kSliceSize = size_t{1} << kSliceShift;

// Requests up to here are blocks in regions, up to kMaxLarge runs of slices,
// beyond it mappings of their own.
inline constexpr size_t kMaxBlockRequest = 64 * 1024;
inline constexpr size_t kMaxLargeRequest = 4 * 1024 * 1024;

// What different threads write stays so far apart: a write takes a cache line
// from other processors, and these fetch lines in pairs.
inline constexpr size_t kInterferenceSize = 128;

// The alignment of every block.
inline constexpr size_t kMinAlignment = 16;

// No object may be larger: differences of pointers must fit.
inline constexpr size_t kMaxRequest = PTRDIFF_MAX;

constexpr bool IsPowerOfTwo(size_t n) { return n != 0 && (n & (n - 1)) == 0; }

// `alignment` is a power of two; the caller has excluded overflow.
constexpr size_t AlignUp(size_t n, size_t alignment) {
  return (n + alignment - 1) & ~(alignment - 1);
}
constexpr size_t AlignDown(size_t n, size_t alignment) {
  return n & ~(alignment - 1);
}
constexpr bool IsAligned(size_t n, size_t alignment) {
  return (n & (alignment - 1)) == 0;
}

constexpr size_t SlicesFor(size_t bytes) {
  return AlignUp(bytes, kSliceSize) >> kSliceShift;
}

constexpr size_t Max(size_t a, size_t b) { return a < b ? b : a; }
constexpr size_t Min(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_SIZES_H_
