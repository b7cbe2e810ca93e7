// The process's heap as this build's preset has it.
#ifndef MYONLY_ALLOCATOR_RUNTIME_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_HEAP_H_

#include <type_traits>

#include "allocator/base/preset.h"
#include "allocator/runtime/guarded_heap.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {

using Heap = std::conditional_t<kIsSecure, GuardedHeap, ProcessHeap>;

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_HEAP_H_
