// Reading a word that its owner may be writing at the same time.
//
// The word is what it was at some moment; what this thread peeks at later is
// not older. What follows from it is the caller's business. Thread sanitizers
// are told that it is meant to be so, address sanitizers that the memory may be
// a free block's.
#ifndef MYONLY_ALLOCATOR_BASE_PEEK_H_
#define MYONLY_ALLOCATOR_BASE_PEEK_H_

#include <atomic>

#include "absl/base/attributes.h"
#include "absl/base/config.h"

namespace myonly::internal {

template <typename T>
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD ABSL_ATTRIBUTE_NO_SANITIZE_ADDRESS T
Peek(const T& word) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers, too.
  static_assert(sizeof(T) <= sizeof(void*), "larger ones are read in parts");
  const T value = *static_cast<const volatile T*>(&word);
#ifndef ABSL_HAVE_THREAD_SANITIZER
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
  return value;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_PEEK_H_
