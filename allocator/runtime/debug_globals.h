// The mutable globals of the debug preset, beside process_globals.h.
#ifndef MYONLY_ALLOCATOR_RUNTIME_DEBUG_GLOBALS_H_
#define MYONLY_ALLOCATOR_RUNTIME_DEBUG_GLOBALS_H_

#include "absl/base/thread_annotations.h"
#include "allocator/base/mutex.h"
#include "allocator/guard/block_history.h"
#include "allocator/guard/freed_queue.h"
#include "allocator/guard/stack_depot.h"
#include "allocator/runtime/process_globals.h"

namespace myonly::internal {

struct DebugGlobals {
  Mutex mutex{LockRank::kHistory};
  StackDepot depot{process_globals.pages};
  BlockHistory history{process_globals.pages};
  FreedQueue queue ABSL_GUARDED_BY(mutex);
  // Written at start.
  size_t stack_depth = 0;  // none, before the process has started
  size_t leak_groups = 0;
};

extern __attribute__((visibility("hidden"))) DebugGlobals debug_globals;

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_DEBUG_GLOBALS_H_
