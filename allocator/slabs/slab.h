// A slab: one slice cut into equal objects without headers, object i at i times
// the object size. What is known of it is in the slice's descriptor.
//
//   used objects = handed out and not on `free`
//   needed       = used, while active or partial: 0 means that all are back
//                = what is missing until it is worth waking, while full
//
// One counter for both (snmalloc's idea): a free decrements it and looks no
// further until it is 0. Objects are carved a page at a time, so that a page
// that nobody wants is never touched.
//
// Externally synchronised: only the thread that owns the slab calls these.
#ifndef MYONLY_ALLOCATOR_SLABS_SLAB_H_
#define MYONLY_ALLOCATOR_SLABS_SLAB_H_

#include <cstddef>
#include <cstdint>

#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"

namespace myonly::internal {

class Slab {
 public:
  // Waking later lets more objects gather; waking earlier reuses memory sooner.
  static constexpr size_t WakeThreshold(size_t capacity) {
    return Max(1, Min(capacity / 16, 16));
  }

  static void Open(Slice* slice, size_t size_class) {
    SlabFields& slab = slice->slab;
    slab.free = nullptr;
    slab.needed = 0;
    slab.capacity = static_cast<uint16_t>(SlabCapacity(size_class));
    slab.carved = 0;
    slab.size_class = static_cast<uint8_t>(size_class);
    slab.state = SlabState::kActive;
  }

  // The owner frees an object. True: the slab wants attention.
  static bool Free(Slice* slice, void* ptr) {
    auto* object = static_cast<Object*>(ptr);
    object->next = slice->slab.free;
    slice->slab.free = object;
    return --slice->slab.needed == 0;
  }

  // All that came back, as a list; they count as used again. NULL: none.
  static Object* TakeFree(Slice* slice) {
    Object* list = slice->slab.free;
    if (list != nullptr) {
      slice->slab.free = nullptr;
      slice->slab.needed = slice->slab.carved;
    }
    return list;
  }

  // The objects of the next page, as a list in the order of addresses; they
  // count as used. NULL: every one has been carved. `start` is the slab's.
  static Object* Carve(Slice* slice, char* start);

  // Used objects.
  static size_t Used(const Slice* slice) {
    const SlabFields& slab = slice->slab;
    return slab.state == SlabState::kFull
               ? slab.capacity - WakeThreshold(slab.capacity) + slab.needed
               : slab.needed;
  }

  // Every object is handed out: sleeps until enough have come back.
  static void Sleep(Slice* slice) {
    slice->slab.state = SlabState::kFull;
    slice->slab.needed =
        static_cast<uint16_t>(WakeThreshold(slice->slab.capacity));
  }
  // `extra` objects more have come back than were waited for.
  static void Wake(Slice* slice, size_t extra) {
    slice->slab.state = SlabState::kPartial;
    slice->slab.needed = static_cast<uint16_t>(
        slice->slab.capacity - WakeThreshold(slice->slab.capacity) - extra);
  }

  // `offset` bytes after the start of a slab an object of the class begins.
  static bool IsObject(const Slice* slice, size_t offset) {
    const size_t bytes = ObjectBytes(slice->slab.size_class);
    return offset % bytes == 0 && offset / bytes < slice->slab.carved;
  }
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_SLABS_SLAB_H_
