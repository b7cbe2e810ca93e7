// The slabs of one thread's share of an arena, by size class.
//
// TakeBack: what came back to the active slab.
// Refill: then its next page | a partial slab becomes active | a new slab.
// Free:   the object goes to its slab; a full slab that has enough back becomes
//         partial, one that has all back is given up.
// Invariants: a slab is active or in the list of its state; it bears the
// token of the thread.
//
// Externally synchronised: only the owning thread calls these.
#ifndef MYONLY_ALLOCATOR_SLABS_SLAB_POOL_H_
#define MYONLY_ALLOCATOR_SLABS_SLAB_POOL_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"

namespace myonly::internal {

class SlabPool {
 public:
  // `owner` and `token` go into the slabs' descriptors.
  constexpr SlabPool(RunPool& runs, void* owner, uintptr_t token)
      : runs_(runs), owner_(owner), token_(token) {}
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  // What came back to the active slab of the class, as a list of objects, which
  // count as used from now on. NULL: nothing.
  Object* TakeBack(size_t size_class);

  // A list of objects of the class, which count as used from now on. NULL: a
  // slab is needed and can't be had.
  Object* Refill(size_t size_class);

  // The objects of the class that are gone from Refill but not in use are
  // returned: a list, as Refill made it.
  void Return(Object* list);

  // What Slab::Free has found: the slab's counter is at 0, and `extra` objects
  // more than it waited for are back.
  void Attend(Slice* slab, size_t extra);

  // `count` objects of one slab, linked from `first` to `last`, come back.
  void FreeChain(Slice* slab, Object* first, Object* last, size_t count);

  // Gives up the slabs that are kept although all their objects are back.
  void ReleaseEmpty();

  // Objects handed out by Refill and not back, and their bytes. Exact; walks
  // the slabs.
  ABSL_ATTRIBUTE_COLD void CountUsed(size_t* objects, size_t* bytes) const;

  // False and an address at the fault if a slab or a list is broken.
  ABSL_ATTRIBUTE_COLD bool Check(const void** where) const;

  size_t slab_bytes() const { return num_slabs_ * kSliceSize; }
  // Objects handed out, ever, but for those returned unused.
  uint64_t taken() const { return taken_; }
  // Of them, those known to be back, and the bytes of the others. What is back
  // in a slab is known once the slab is active again or given up.
  uint64_t known_back() const { return known_back_; }
  size_t used_bytes() const { return used_bytes_; }

 private:
  // Empty slabs that are kept for the next class that needs one.
  static constexpr size_t kMaxIdle = 4;

  struct Class {
    Slice* active;
    Slice* partial;
    Slice* full;
  };

  Slice* NewSlab(size_t size_class);
  void GiveUp(Slice* slab);
  Slice*& ListOf(Slice* slab) {
    Class& lists = classes_[slab->slab.size_class];
    return slab->slab.state == SlabState::kFull ? lists.full : lists.partial;
  }
  void Push(Slice* slab);
  void Remove(Slice* slab);

  template <typename Visit>
  void VisitSlabs(Visit visit) const {
    for (const Class& lists : classes_) {
      if (lists.active != nullptr) visit(lists.active);
      for (Slice* slab = lists.partial; slab != nullptr; slab = slab->next) {
        visit(slab);
      }
      for (Slice* slab = lists.full; slab != nullptr; slab = slab->next) {
        visit(slab);
      }
    }
  }

  RunPool& runs_;
  void* const owner_;
  const uintptr_t token_;
  void NoteTaken(size_t size_class, size_t objects) {
    taken_ += objects;
    used_bytes_ += objects * ObjectBytes(size_class);
  }
  void NoteBack(size_t size_class, size_t objects) {
    known_back_ += objects;
    used_bytes_ -= objects * ObjectBytes(size_class);
  }

  uint64_t taken_ = 0;
  uint64_t known_back_ = 0;
  size_t used_bytes_ = 0;
  size_t num_slabs_ = 0;
  size_t num_idle_ = 0;
  Slice* idle_ = nullptr;
  Class classes_[kNumSizeClasses] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_SLABS_SLAB_POOL_H_
