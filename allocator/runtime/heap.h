// The process's heap as this build's preset has it.
//
// Of the preset debug this is all: what does not see this header is as in
// secure, and built once for both.
#ifndef MYONLY_ALLOCATOR_RUNTIME_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_HEAP_H_

#include <type_traits>

#include "allocator/base/preset.h"
#include "allocator/runtime/guarded_heap.h"
#include "allocator/runtime/process_heap.h"

#ifdef MYONLY_PRESET_DEBUG
#include "allocator/runtime/debug_heap.h"
#endif
#if defined(MYONLY_TELLS_ASAN) || defined(MYONLY_TELLS_VALGRIND)
#include "allocator/runtime/asan_heap.h"
#endif

namespace myonly::internal {

#ifdef MYONLY_PRESET_DEBUG
inline constexpr bool kIsDebug = true;
using Heap = DebugHeap;
#else
inline constexpr bool kIsDebug = false;
#if defined(MYONLY_TELLS_ASAN) || defined(MYONLY_TELLS_VALGRIND)
using Heap = AsanHeap;
#else
using Heap = std::conditional_t<kIsSecure, GuardedHeap, ProcessHeap>;
#endif
#endif

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_HEAP_H_
