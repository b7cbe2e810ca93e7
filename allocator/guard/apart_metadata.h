// Where the secure preset has the descriptors of a reservation's slices, and
// its map of live blocks: in a mapping of their own, at a distance from the
// slices that nobody knows, with pages around each that nothing may touch.
//
//   | no access, a random number of pages | <- descriptors | no access |
//   | live map -> | no access |
//
// Externally synchronised by the run pool; the map is for everybody.
#ifndef MYONLY_ALLOCATOR_GUARD_APART_METADATA_H_
#define MYONLY_ALLOCATOR_GUARD_APART_METADATA_H_

#include <cstddef>
#include <cstdint>

#include "allocator/guard/live_map.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

class ApartMetadata {
 public:
  constexpr ApartMetadata() = default;

  // Addresses for `slices` slices from `base` on. The descriptors end at
  // descriptors_end(). False: there are none.
  bool Reserve(PageSource& pages, uintptr_t base, size_t slices);
  void Release(PageSource& pages);

  // What belongs to the first `slices` slices is usable.
  bool Commit(PageSource& pages, size_t slices);

  // No more than so many are ever needed: the addresses of the others go.
  void Close(PageSource& pages, size_t slices);

  uintptr_t descriptors_end() const { return descriptors_end_; }
  // Addresses, gaps included.
  size_t reserved_bytes() const { return bytes_; }
  const LiveMap& live() const { return live_; }

 private:
  LiveMap live_;
  uintptr_t descriptors_end_ = 0;
  void* start_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_APART_METADATA_H_
