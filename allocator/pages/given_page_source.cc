#include "allocator/pages/given_page_source.h"

#include "allocator/base/mutex.h"

namespace myonly::internal {

void* GivenPageSource::Reserve(size_t bytes, size_t alignment,
                               Access /*access*/) {
  if (functions_.reserve == nullptr) return nullptr;
  void* start;
  {
    const LockRankPause pause;
    start = functions_.reserve(functions_.ctx, bytes, alignment);
  }
  if (start == nullptr) return nullptr;
  if (!note_(noted_by_, start, bytes)) {
    Release(start, bytes);
    return nullptr;
  }
  next_bytes_ *= 2;
  return start;
}

bool GivenPageSource::Commit(void* /*start*/, size_t /*bytes*/) { return true; }

bool GivenPageSource::Decommit(void* /*start*/, size_t /*bytes*/) {
  return false;
}

bool GivenPageSource::Purge(void* start, size_t bytes) {
  const LockRankPause pause;
  return functions_.purge != nullptr &&
         functions_.purge(functions_.ctx, start, bytes) != 0;
}

bool GivenPageSource::Release(void* start, size_t bytes) {
  const LockRankPause pause;
  return functions_.release != nullptr &&
         functions_.release(functions_.ctx, start, bytes) != 0;
}

void* GivenPageSource::Remap(void* /*start*/, size_t /*old_bytes*/,
                             size_t /*new_bytes*/) {
  return nullptr;
}

bool GivenPageSource::Move(void* /*start*/, size_t /*bytes*/,
                           void* /*target*/) {
  return false;
}

}  // namespace myonly::internal
