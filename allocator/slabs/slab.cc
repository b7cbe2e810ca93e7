#include "allocator/slabs/slab.h"

#include "allocator/base/check.h"

namespace myonly::internal {

void Slab::ReportBadFree(const Slice* slice, const void* ptr) {
  ReportAndAbort(IsObject(slice, ptr) ? "double free"
                                      : "free of an address inside a block",
                 ptr);
}

Object* Slab::Carve(Slice* slice, char* start) {
  SlabFields& slab = slice->slab;
  if (slab.carved == slab.capacity) return nullptr;
  const size_t bytes = ObjectBytes(slab.size_class);
  char* first = start + slab.carved * bytes;
  // To the end of the page that the first object begins on.
  const size_t in_page = reinterpret_cast<uintptr_t>(first) & (kPageSize - 1);
  const size_t count = Min((kPageSize - in_page + bytes - 1) / bytes,
                           size_t{slab.capacity} - slab.carved);
  char* last = first + (count - 1) * bytes;
  for (char* at = first; at != last; at += bytes) {
    auto* object = reinterpret_cast<Object*>(at);
    object->next = reinterpret_cast<Object*>(at + bytes);
    object->mark = slice;
  }
  *reinterpret_cast<Object*>(last) = {nullptr, slice};
  slab.carved = static_cast<uint16_t>(slab.carved + count);
  slab.needed = static_cast<uint16_t>(slab.needed + count);
  return reinterpret_cast<Object*>(first);
}

}  // namespace myonly::internal
