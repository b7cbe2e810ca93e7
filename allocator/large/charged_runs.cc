#include "allocator/large/charged_runs.h"

#include "allocator/base/sizes.h"

namespace myonly::internal {

Slice* ChargedRuns::Allocate(size_t slices, RunKind kind, void* owner,
                             Status* status) {
  const size_t bytes = slices * kSliceSize;
  if (!quota_.Charge(bytes)) {
    *status = Status::kQuota;
    return nullptr;
  }
  if (slices == 1 && cache_ != nullptr) {
    if (Slice* run = cache_->Take(kind, owner)) return run;
  }
  bool zeroed;
  Slice* run = pool_.Allocate(slices, kind, owner, &zeroed);
  if (run == nullptr) {
    quota_.Return(bytes);
    *status = Status::kNoMemory;
  }
  return run;
}

void ChargedRuns::FreeTo(SliceCache* cache, Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  run->key = Slice::kNoSlab;
  if (cache == nullptr || run->run_slices != 1 || !cache->Put(run)) {
    pool_.Free(run);
  }
  quota_.Return(bytes);
}

void ChargedRuns::FreePoisoned(Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  pool_.FreePoisoned(run);
  quota_.Return(bytes);
}

}  // namespace myonly::internal
