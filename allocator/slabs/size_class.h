// Size classes: one for every 16 bytes up to 1 KiB, so that rounding never
// costs more than 15 bytes and takes no table.
#ifndef MYONLY_ALLOCATOR_SLABS_SIZE_CLASS_H_
#define MYONLY_ALLOCATOR_SLABS_SIZE_CLASS_H_

#include <cstddef>

#include "allocator/base/sizes.h"

namespace myonly::internal {

inline constexpr size_t kClassShift = 4;
inline constexpr size_t kMaxSlabRequest = 1024;
// Class 0 has no objects: requests of 0 bytes, and those whose rounding
// overflows, come out as it.
inline constexpr size_t kNumSizeClasses = (kMaxSlabRequest >> kClassShift) + 1;

// The class of a request of `size` bytes; kNumSizeClasses or more: no slab
// serves it.
constexpr size_t SizeClassFor(size_t size) {
  return (size + (size_t{1} << kClassShift) - 1) >> kClassShift;
}

constexpr size_t ObjectBytes(size_t size_class) {
  return size_class << kClassShift;
}

constexpr size_t SlabCapacity(size_t size_class) {
  return kSliceSize / ObjectBytes(size_class);
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_SLABS_SIZE_CLASS_H_
