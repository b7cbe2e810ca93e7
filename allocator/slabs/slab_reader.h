// Looks at the objects of a slab while the slab's owner, who takes no lock,
// hands them out and takes them back: for walks, explanations and crash
// handlers.
//
// An object is live if it has been carved, lies on no purged page and does not
// bear the mark of a free one. What is live from before the first look until
// after the last one is always seen as live. The slab itself may be given up
// meanwhile, which IsSame tells afterwards: then nothing in it was live for so
// long. Takes no lock, and its memory stays readable: async-signal-safe.
//
// Without marks (the fast preset) every carved object counts as live.
#ifndef MYONLY_ALLOCATOR_SLABS_SLAB_READER_H_
#define MYONLY_ALLOCATOR_SLABS_SLAB_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"

namespace myonly::internal {

class SlabReader {
 public:
  // `start` is where the slice begins, which was seen to be a slab's of
  // `owner`.
  SlabReader(const Slice* slice, char* start, const void* owner);

  // Objects that have been carved; 0 if it is no open slab.
  size_t num_objects() const { return num_objects_; }
  size_t object_bytes() const { return ObjectBytes(size_class_); }
  size_t size_class() const { return size_class_; }
  char* At(size_t index) const { return start_ + index * object_bytes(); }

  bool IsLive(size_t index) const;

  // On a page that was purged: not carved again yet.
  bool IsSwept(size_t index) const;

  // How many objects are on the slab's own list, as its counters tell. Those in
  // the lists of threads and in queues are not.
  ABSL_ATTRIBUTE_COLD size_t NumListed() const;

  // It is still the slab that it was at first.
  bool IsSame() const;

 private:
  size_t CountCarved() const;

  const Slice* const slice_;
  char* const start_;
  const void* const owner_;
  uintptr_t key_;
  uintptr_t token_ = 0;  // the owner's
  uint8_t size_class_;
  size_t num_objects_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_SLABS_SLAB_READER_H_
