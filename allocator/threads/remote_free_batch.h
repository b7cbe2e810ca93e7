// Objects of other threads that a thread has freed and not posted yet, gathered
// by slab: one post for many of them (BatchIt, ISMM 2024; snmalloc).
//
// Bounded: a slab's chain is posted at kMaxParkedBytes, another slab that needs
// its place posts it earlier. Externally synchronised: one thread's own.
#ifndef MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_
#define MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "allocator/arena/remote_free_queue.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"

namespace myonly::internal {

class RemoteFreeBatch {
 public:
  static constexpr size_t kPlaces = 16;
  static constexpr size_t kMaxParkedBytes = 4096;  // a place

  // Adds to what waits for the slab already, or reports that it can't be freed.
  // False, and nothing done: nothing waits, or it would have to go. `token_at`
  // is Slab::TokenAt.
  bool AddQuick(Slice* slab, void* ptr, uintptr_t token_at) {
    Place& place = PlaceOf(slab);
    if (place.slab != slab || ABSL_PREDICT_FALSE(place.room == 1)) return false;
    if (ABSL_PREDICT_FALSE(!Slab::CheckAndMark(slab, ptr, token_at))) {
      return true;
    }
    --place.room;
    auto* object = static_cast<Object*>(ptr);
    object->next = place.first;
    place.first = object;
    return true;
  }

  // The same in every case, for an object that is marked. Calls post(Slice*,
  // const RemoteChain&) for what must go.
  template <typename Post>
  void Add(Slice* slab, void* ptr, Post post) {
    Place& place = PlaceOf(slab);
    auto* object = static_cast<Object*>(ptr);
    if (place.slab != slab) {
      if (place.slab != nullptr) PostPlace(place, post);
      place.slab = slab;
      place.first = nullptr;
      place.last = object;
      place.room = MostObjects(slab);
      ++in_use_;
    }
    object->next = place.first;
    place.first = object;
    if (--place.room == 0) PostPlace(place, post);
  }

  bool empty() const { return in_use_ == 0; }

  template <typename Post>
  void PostAll(Post post) {
    if (empty()) return;
    for (Place& place : places_) {
      if (place.slab != nullptr) PostPlace(place, post);
    }
  }

 private:
  struct Place {
    Slice* slab;  // NULL: free
    Object* first;
    Object* last;
    size_t room;  // for so many more
  };

  Place& PlaceOf(const Slice* slab) {
    return places_[(reinterpret_cast<uintptr_t>(slab) / sizeof(Slice)) %
                   kPlaces];
  }
  static size_t MostObjects(const Slice* slab) {
    return Max(kMaxParkedBytes / ObjectBytes(slab->slab.size_class), 1);
  }

  template <typename Post>
  void PostPlace(Place& place, Post post) {
    Slice* slab = place.slab;
    place.slab = nullptr;
    --in_use_;
    post(slab,
         RemoteChain{place.first, place.last, MostObjects(slab) - place.room});
  }

  size_t in_use_ = 0;
  Place places_[kPlaces] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_
