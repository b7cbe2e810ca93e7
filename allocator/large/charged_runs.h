// The runs of one arena: a run pool's, charged to the arena's quota; single
// slices from a thread's cache, if it has one.
//
// Thread-safe but for the cache.
#ifndef MYONLY_ALLOCATOR_LARGE_CHARGED_RUNS_H_
#define MYONLY_ALLOCATOR_LARGE_CHARGED_RUNS_H_

#include <cstddef>

#include "absl/base/attributes.h"
#include "allocator/base/status.h"
#include "allocator/large/quota.h"
#include "allocator/large/run_pool.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

class ChargedRuns {
 public:
  constexpr ChargedRuns(RunPool& pool, Quota& quota,
                        SliceCache* cache = nullptr)
      : pool_(pool), quota_(quota), cache_(cache) {}

  // As RunPool::Allocate. NULL: `*status` says why. What the run's owner will
  // soon write to is told by `growth`.
  Slice* Allocate(size_t slices, RunKind kind, void* owner, Status* status,
                  Growth growth = {});
  // The same of the end of given memory, whose last slice is short: of `bytes`
  // or more. Without it `*status` stays as it is.
  ABSL_ATTRIBUTE_COLD Slice* AllocateAtEnd(size_t bytes, RunKind kind,
                                           void* owner, Status* status);

  void Free(Slice* run) { FreeTo(cache_, run); }
  // The same into another cache: the calling thread's, or NULL.
  void FreeTo(SliceCache* cache, Slice* run);

  // The same for a list of runs of one slice, linked by `next`.
  void FreeAllTo(SliceCache* cache, Slice* first);

  // The same for slabs that `whom` may want back as they are: they wait in
  // `cache`, no longer than what else is there.
  ABSL_ATTRIBUTE_COLD void Keep(SliceCache* cache, uintptr_t whom,
                                Slice* slabs);
  // Those that were kept for `whom`, charged again; NULL: there are none by
  // now, or they are more than half of what is left under a limit.
  ABSL_ATTRIBUTE_COLD Slice* TakeKept(uintptr_t whom);

  // Every touch of it faults from now on, for a while.
  ABSL_ATTRIBUTE_COLD void FreePoisoned(Slice* run);

  RunPool& pool() const { return pool_; }

 private:
  // Of a list of runs of one slice: its bytes.
  static size_t MakeNoSlabs(Slice* first);
  void FreeAll(Slice* first);

  RunPool& pool_;
  Quota& quota_;
  SliceCache* const cache_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_CHARGED_RUNS_H_
