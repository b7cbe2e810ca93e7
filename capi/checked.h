// What a failed call of the C API leaves in errno.
#ifndef MYONLY_CAPI_CHECKED_H_
#define MYONLY_CAPI_CHECKED_H_

#include <cerrno>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/runtime/heap.h"

namespace myonly::internal {

// For calls that return a pointer.
ABSL_ATTRIBUTE_NOINLINE inline void* Checked(void* ptr) {
  if (ABSL_PREDICT_FALSE(ptr == nullptr)) {
    const Status status = Heap::LastStatus();
    errno = status == Status::kInvalid || status == Status::kStale ? EINVAL
                                                                   : ENOMEM;
  }
  return ptr;
}

}  // namespace myonly::internal

#endif  // MYONLY_CAPI_CHECKED_H_
