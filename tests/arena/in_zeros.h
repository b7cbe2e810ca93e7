// An object in zeroed memory, as shares of arenas want it.
#ifndef MYONLY_TESTS_ARENA_IN_ZEROS_H_
#define MYONLY_TESTS_ARENA_IN_ZEROS_H_

#include <utility>

#include "allocator/base/zeroed_memory.h"

namespace myonly::internal {

template <typename T>
class InZeros {
 public:
  template <typename... Args>
  explicit InZeros(Args&&... args)
      : object_(MakeInZeroedMemory<T>(memory_, std::forward<Args>(args)...)) {}
  InZeros(const InZeros&) = delete;
  InZeros& operator=(const InZeros&) = delete;

  T& operator*() { return *object_; }
  T* operator->() { return object_; }

 private:
  alignas(T) unsigned char memory_[sizeof(T)] = {};
  T* const object_;
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_ARENA_IN_ZEROS_H_
