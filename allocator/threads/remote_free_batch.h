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

namespace myonly::internal {

class RemoteFreeBatch {
 public:
  static constexpr size_t kPlaces = 16;
  static constexpr size_t kMaxParkedBytes = 4096;  // a place

  // Calls post(Slice*, const RemoteChain&) for what must go.
  template <typename Post>
  void Add(Slice* slab, void* ptr, Post post) {
    Place& place =
        places_[(reinterpret_cast<uintptr_t>(slab) / sizeof(Slice)) % kPlaces];
    if (ABSL_PREDICT_FALSE(place.slab != slab)) {
      if (place.slab != nullptr) PostPlace(place, post);
      Start(place, slab, static_cast<Object*>(ptr));
    } else {
      auto* object = static_cast<Object*>(ptr);
      object->next = place.chain.first;
      place.chain.first = object;
      ++place.chain.count;
    }
    if (ABSL_PREDICT_FALSE(place.chain.count >= place.most)) {
      PostPlace(place, post);
    }
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
    RemoteChain chain;
    size_t most;
  };

  void Start(Place& place, Slice* slab, Object* object) {
    place.slab = slab;
    place.chain = {object, object, 1};
    place.most = Max(kMaxParkedBytes / ObjectBytes(slab->slab.size_class), 1);
    ++in_use_;
  }

  template <typename Post>
  void PostPlace(Place& place, Post post) {
    Slice* slab = place.slab;
    place.slab = nullptr;
    --in_use_;
    post(slab, place.chain);
  }

  size_t in_use_ = 0;
  Place places_[kPlaces] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_
