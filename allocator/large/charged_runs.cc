#include "allocator/large/charged_runs.h"

#include "allocator/base/sizes.h"

namespace myonly::internal {

Slice* ChargedRuns::Allocate(size_t slices, RunKind kind, void* owner,
                             Status* status, Growth growth) {
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
  } else if (zeroed) {
    pool_.Populate(run, growth);
  }
  return run;
}

Slice* ChargedRuns::AllocateAtEnd(size_t bytes, RunKind kind, void* owner,
                                  Status* status) {
  const size_t slices = pool_.SlicesAtEndFor(bytes);
  if (slices == 0) return nullptr;
  const size_t charge = slices * kSliceSize - pool_.missing_bytes();
  if (!quota_.Charge(charge)) {
    *status = Status::kQuota;
    return nullptr;
  }
  Slice* run = pool_.AllocateAtEnd(slices, kind, owner);
  if (run == nullptr) quota_.Return(charge);
  return run;
}

void ChargedRuns::FreeTo(SliceCache* cache, Slice* run) {
  const size_t bytes = pool_.BytesOf(run);
  run->key = Slice::kNoSlab;
  if (cache == nullptr || run->run_slices != 1 || !cache->Put(run)) {
    pool_.Free(run);
  }
  quota_.Return(bytes);
}

void ChargedRuns::FreeAllTo(SliceCache* cache, Slice* first) {
  const size_t bytes = MakeNoSlabs(first);
  FreeAll(cache != nullptr ? cache->PutAll(first) : first);
  quota_.Return(bytes);
}

void ChargedRuns::Keep(SliceCache* cache, uintptr_t whom, Slice* slabs) {
  const size_t bytes = MakeNoSlabs(slabs);
  FreeAll(cache->Keep(whom, slabs));
  quota_.Return(bytes);
}

Slice* ChargedRuns::TakeKept(uintptr_t whom) {
  if (cache_ == nullptr) return nullptr;
  const size_t bytes = cache_->KeptFor(whom) * kSliceSize;
  if (bytes == 0 || !quota_.ChargeSpare(bytes)) return nullptr;
  Slice* slabs = cache_->TakeKept();
  if (slabs == nullptr) quota_.Return(bytes);
  return slabs;
}

size_t ChargedRuns::MakeNoSlabs(Slice* first) {
  size_t bytes = 0;
  for (Slice* run = first; run != nullptr; run = run->next) {
    run->key = Slice::kNoSlab;
    bytes += kSliceSize;
  }
  return bytes;
}

void ChargedRuns::FreeAll(Slice* first) {
  while (Slice* run = first) {
    first = run->next;
    pool_.Free(run);
  }
}

void ChargedRuns::FreePoisoned(Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  pool_.FreePoisoned(run);
  quota_.Return(bytes);
}

}  // namespace myonly::internal
