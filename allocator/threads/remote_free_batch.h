// Objects of other threads that a thread has freed and not posted yet, gathered
// by slab: one post for many of them (BatchIt, ISMM 2024; snmalloc).
//
// Bounded: a slab's chain is posted at kMaxParkedBytes, another slab that needs
// its place posts it earlier. Externally synchronised: one thread's own.
#ifndef MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_
#define MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/remote_free_queue.h"
#include "allocator/base/sizes.h"
#include "allocator/base/zeroed_memory.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"

namespace myonly::internal {

class RemoteFreeBatch {
 public:
  static constexpr size_t kPlaces = 64;
  static constexpr size_t kMaxParkedBytes = 4096;  // a place

  constexpr RemoteFreeBatch() : places_{} {}
  explicit RemoteFreeBatch(InZeroedMemory /*where*/) {}

  // Adds to what waits for the slab already, or reports that it is free. False,
  // and nothing done: nothing waits, it would have to go, or no object of the
  // slab begins there. `token_at` is Slab::TokenAt.
  bool AddQuick(Slice* slab, void* ptr, uintptr_t token_at) {
    Place* place = PlaceOf(slab);
    if (ABSL_PREDICT_FALSE(place->slab != slab) ||
        ABSL_PREDICT_FALSE(place->token != token_at)) {
      return false;
    }
    if (ABSL_PREDICT_FALSE(!Slab::Mark(slab, ptr, token_at))) return true;
    auto* object = static_cast<Object*>(ptr);
    object->next = place->first;
    place->first = object;
    if (ABSL_PREDICT_FALSE(--place->room == 0)) place->token = kNoOwner;
    return true;
  }

  // The same in every case, for an object that is marked. Calls post(Slice*,
  // const RemoteChain&) for what must go.
  template <typename Post>
  void Add(Slice* slab, void* ptr, Post post) {
    Place* place = PlaceOf(slab);
    auto* object = static_cast<Object*>(ptr);
    if (place->slab != slab) {
      if (place->slab != nullptr) PostPlace(place, 0, post);
      place->slab = slab;
      place->first = nullptr;
      place->last = static_cast<uint16_t>(PositionOf(object));
      place->room = static_cast<uint16_t>(MostObjects(slab));
      in_use_ |= BitOf(slab);
    }
    const bool is_full = place->room == 0;
    object->next = place->first;
    place->first = object;
    if (!is_full) --place->room;
    place->token = place->room == 0 ? kNoOwner : Slab::TokenAt(slab, ptr);
    if (is_full) PostPlace(place, 1, post);
  }

  bool empty() const { return in_use_ == 0; }

  template <typename Post>
  void PostAll(Post post) {
    if (ABSL_PREDICT_FALSE(!empty())) PostPlaces(post);
  }

 private:
  static constexpr uintptr_t kNoOwner = 0;

  struct Place {
    Slice* slab;  // NULL: free
    // Of the slab's owner, by which an address is known to be an object's.
    // kNoOwner: the next one makes the chain go.
    uintptr_t token;
    Object* first;
    uint16_t last;  // where in the slab, in units of kMinAlignment
    uint16_t room;  // for so many more before the one that makes it go
  };

  // gcc would work it out for each access otherwise.
  Place* PlaceOf(const Slice* slab) {
    constexpr size_t kSpread = sizeof(Slice) / sizeof(Place);
    static_assert(sizeof(Slice) % sizeof(Place) == 0);
    uintptr_t at = reinterpret_cast<uintptr_t>(slab) / kSpread;
    at &= (kPlaces - 1) * sizeof(Place);
    auto* place =
        reinterpret_cast<Place*>(reinterpret_cast<char*>(places_) + at);
    asm("" : "+r"(place));
    return place;
  }
  // Of the place that PlaceOf finds.
  static uint64_t BitOf(const Slice* slab) {
    static_assert(kPlaces == 64);
    return uint64_t{1} << (reinterpret_cast<uintptr_t>(slab) / sizeof(Slice) %
                           kPlaces);
  }
  static size_t PositionOf(const Object* object) {
    return reinterpret_cast<uintptr_t>(object) % kSliceSize / kMinAlignment;
  }
  // Of a full chain, without the one that makes it go. A slab that was given
  // up, as an object was freed by two threads at once, has no objects any more.
  static size_t MostObjects(const Slice* slab) {
    constexpr size_t kPart = kSliceSize / kMaxParkedBytes;
    return Max(slab->slab.capacity / kPart, 2) - 1;
  }

  static size_t HeldBy(const Place& place) {
    return MostObjects(place.slab) - place.room;
  }

  // Once for many objects: what is held, and `more`.
  template <typename Post>
  ABSL_ATTRIBUTE_NOINLINE void PostPlace(Place* place, size_t more, Post post) {
    Slice* slab = place->slab;
    const size_t count = HeldBy(*place) + more;
    place->slab = nullptr;
    in_use_ &= ~BitOf(slab);
    auto* last = reinterpret_cast<Object*>(
        AlignDown(reinterpret_cast<uintptr_t>(place->first), kSliceSize) +
        place->last * kMinAlignment);
    post(slab, RemoteChain{place->first, last, count});
  }

  template <typename Post>
  ABSL_ATTRIBUTE_NOINLINE void PostPlaces(Post post) {
    while (in_use_ != 0) {
      Place& place = places_[__builtin_ctzll(in_use_)];
      PostPlace(&place, 0, post);
    }
  }

  uint64_t in_use_ = 0;  // a bit for each place
  Place places_[kPlaces];
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_REMOTE_FREE_BATCH_H_
