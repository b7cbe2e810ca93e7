// The order of the locks: a thread may take a lock of a higher rank than all it
// holds. Checked in debug builds by Mutex.
#ifndef MYONLY_ALLOCATOR_BASE_LOCK_RANK_H_
#define MYONLY_ALLOCATOR_BASE_LOCK_RANK_H_

#include <cstdint>

namespace myonly::internal {

enum class LockRank : uint8_t {
  kHistory,  // the debug preset's
  kThreadRegistry,
  kArenaRegistry,
  // Fork and moving a block to another arena hold several of these, both under
  // the registry's lock; of kQuota and kRunPool fork alone.
  kArena,
  kQuota,
  kPressure,
  kRunPool,
  kHugeMapping,
  kOwnMemory,
  kMetadata,
  kGuardedPool,
  kLast = kGuardedPool,
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_LOCK_RANK_H_
