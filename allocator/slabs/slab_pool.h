// The slabs of one thread's share of an arena, by size class.
//
// TakeBack: what came back to the active slab.
// TakeNext: its next page | a partial slab becomes active, the one that waited
//           least | a swept one.
// Refill: all this, then a new slab.
// Free:   the object goes to its slab; a full slab that has enough back becomes
//         partial, one that has all back is given up.
// Sweep:  partial slabs that waited for two epochs, of time or of growth, lose
//         their unused pages, and again when a quarter of the rest is back.
// Invariants: a slab is active or in the list of its state; it bears the
// token of the thread.
//
// Externally synchronised: only the owning thread calls these.
#ifndef MYONLY_ALLOCATOR_SLABS_SLAB_POOL_H_
#define MYONLY_ALLOCATOR_SLABS_SLAB_POOL_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/base/invariant.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/status.h"
#include "allocator/base/zeroed_memory.h"
#include "allocator/large/charged_runs.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"

namespace myonly::internal {

class SlabPool {
 public:
  // `owner` and `token` go into the slabs' descriptors.
  constexpr SlabPool(ChargedRuns runs, void* owner, uintptr_t token)
      : runs_(runs), owner_(owner), token_(token), lists_{} {}
  SlabPool(ChargedRuns runs, void* owner, uintptr_t token,
           InZeroedMemory /*where*/)
      : runs_(runs), owner_(owner), token_(token) {}
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  // What came back to the active slab of the class, as a list of objects, which
  // count as used from now on. NULL: nothing.
  Object* TakeBack(size_t size_class);

  // The same of an active slab to which all objects came back; there may be
  // more in the list.
  Object* TakeAllBack(Slice* slab) {
    Object* list = TakeBack(slab->slab.size_class);
    if (ABSL_PREDICT_TRUE(list == nullptr || slab->slab.carved >= kLongList)) {
      return list;
    }
    return TakeMore(slab, list);
  }

  // The only free object of a full slab comes to the front of `list`, which is
  // the class's; the result is the list then.
  Object* HandBack(Slice* slab, Object* list) {
    Object* object = Slab::TakeOnlyOne(slab);
    object->next = list;
    is_carved_[slab->slab.size_class] = false;
    ++known_back_;
    ++taken_;
    return object;
  }

  // What its lists of objects end with.
  Object* end() {
    return kIsSecure ? reinterpret_cast<Object*>(ObjectLinkRule::kListEnd)
                     : &end_.object;
  }

  // What else its slabs have of the class once that is nothing. NULL: a new one
  // is needed.
  Object* TakeNext(size_t size_class);

  // All that, or a list of a new slab. NULL: it can't be had, `*status` says
  // why.
  Object* Refill(size_t size_class, Status* status);

  // The objects of the class that are gone from Refill but not in use are
  // returned: a list, as Refill made it.
  ABSL_ATTRIBUTE_COLD void Return(Object* list);

  // What Slab::Free has found: the slab's counter is at 0, and `extra` objects
  // more than it waited for are back.
  void Attend(Slice* slab, size_t extra) {
    // The active slab stays, whatever is back.
    if (extra != 0 || slab->slab.state != SlabState::kActive) Move(slab, extra);
  }

  // `count` objects of one slab, linked from `first` to `last`, come back.
  void FreeChain(Slice* slab, Object* first, Object* last, size_t count);

  // Purges the unused pages of up to `slabs` slabs that have waited since the
  // epoch before the last. True: there may be more.
  ABSL_ATTRIBUTE_COLD bool Sweep(size_t slabs);
  void BeginEpoch() { ++epoch_; }
  // What waits now has waited long enough.
  void AgeAll() { epoch_ = static_cast<uint8_t>(epoch_ + kLeastEpochs); }

  // The same for all slabs that wait, however long, but for about `*keep_bytes`
  // of what is free in them, which are taken off. Returns the bytes purged.
  ABSL_ATTRIBUTE_COLD size_t SweepAll(size_t* keep_bytes);

  // Whether there is something to sweep, by now or later.
  ABSL_ATTRIBUTE_COLD bool HasWaiting() const;

  // Whether TakeBack takes but one object. A thread that calls for little
  // comes by more often when lists are short.
  void set_takes_few(bool takes_few) { takes_few_ = takes_few ? 1 : 0; }

  // Of all pools: slabs that empty don't wait to be swept, but are looked at
  // each time a quarter of what they hold is back. For programs that may make
  // no call for long.
  static void set_sweeps_at_once(bool at_once) { sweeps_at_once_ = at_once; }

  // Gives up the slabs that are kept although all their objects are back.
  ABSL_ATTRIBUTE_COLD void ReleaseEmpty();

  // Forgets all objects and gives the slabs back, to the caller's `cache` if it
  // has one. `lists` are what is left of the lists made last, one of each
  // class: they don't count as taken. It walks only those that TakeBack made.
  // A slab of each class that was in use is kept in the cache for `whom`, 0:
  // nobody, with all it has carved, if taken() is at least `least_taken` then.
  struct Keeping {
    uintptr_t whom;
    uint64_t least_taken;
  };
  ABSL_ATTRIBUTE_COLD void DropAll(Object** lists, SliceCache* cache,
                                   Keeping keeping = {0, 0});
  // While it has no slab: the slabs that are kept are its own again, and
  // `lists` what they have carved. False: there are none.
  ABSL_ATTRIBUTE_COLD bool Reopen(Object** lists, uintptr_t kept_for);

  // Counts from 0 again; there are no slabs.
  void ResetCounters() { taken_ = known_back_ = 0; }

  // Objects handed out by Refill and not back, and their bytes. Exact; walks
  // the slabs.
  ABSL_ATTRIBUTE_COLD void CountUsed(size_t* objects, size_t* bytes) const;

  // False if a slab or a list is broken: `*broken` says which.
  ABSL_ATTRIBUTE_COLD bool Check(BrokenInvariant* broken) const;

  size_t slab_bytes() const { return num_slabs_ * kSliceSize; }
  // Objects handed out, ever, but for those returned unused.
  uint64_t taken() const { return taken_; }
  // Of them, those known to be back, and the bytes of the others. What is back
  // in a slab is known once the slab is active again or given up.
  uint64_t known_back() const { return known_back_; }
  size_t used_bytes() const { return used_bytes_; }

  // The same by who does not own it, at any time.
  size_t PeekSlabBytes() const { return Peek(num_slabs_) * kSliceSize; }
  uint64_t PeekTaken() const { return Peek(taken_); }
  uint64_t PeekKnownBack() const { return Peek(known_back_); }
  size_t PeekUsedBytes() const { return Peek(used_bytes_); }

 private:
  static constexpr size_t kFew = 1;
  // A list that is used up so often gets another page, until it has so many:
  // each time it costs two branches that the processor did not foresee.
  static constexpr uint8_t kTurnsPerPage = 32;
  static constexpr size_t kLongList = 12;
  // Of a slab that is given up, so many objects are looked at.
  static constexpr size_t kSome = 16;
  // While the slabs grow in number by 1/16 and so many more, an epoch goes by.
  static constexpr size_t kEpochSlabs = 32;
  static constexpr size_t kSweptPerNewSlab = 2;
  static constexpr uint8_t kLeastEpochs = 2;
  // With so many slabs of its class a new one is populated as a whole.
  static constexpr size_t kSlabsForWhole = 16;

  ABSL_ATTRIBUTE_COLD bool CheckSlab(const Slice* slab,
                                     BrokenInvariant* broken) const;
  Object* NoteTakenBack(Slice* slab, size_t used_before, Object* list);
  ABSL_ATTRIBUTE_NOINLINE Object* TakeBackCarefully(Slice* slab);
  ABSL_ATTRIBUTE_COLD Object* TakeMore(Slice* slab, Object* list);
  ABSL_ATTRIBUTE_NOINLINE Object* CarveMore(Slice* slab);
  ABSL_ATTRIBUTE_NOINLINE void Move(Slice* slab, size_t extra);
  ABSL_ATTRIBUTE_COLD Slice* NewSlab(size_t size_class, Status* status);
  size_t SoonUsed(size_t size_class) const;
  // Its slabs are many, and most of what is on them is touched.
  bool IsDense() const;
  void CheckSome(const Slice* slab) const;
  static bool BeginsWell(const Slice* slab, const Object* list, size_t carved);
  ABSL_ATTRIBUTE_COLD void GiveUp(Slice* slab);
  // All objects that the active slab has carved become its list again. `list`
  // is what is left of the last one, `left` objects. False: nothing was taken,
  // or its pages were purged.
  ABSL_ATTRIBUTE_COLD bool Rewind(size_t size_class, Object* list, size_t left);
  ABSL_ATTRIBUTE_COLD void SweepWhileGrowing();
  // The slabs of a class in one state. The active one is alone; of the others
  // the first one has the last one before it.
  Slice*& List(size_t size_class, SlabState state) {
    return lists_[size_class][static_cast<size_t>(state)];
  }
  Slice* First(size_t size_class, SlabState state) const {
    return lists_[size_class][static_cast<size_t>(state)];
  }
  Slice* Active(size_t size_class) const {
    return First(size_class, SlabState::kActive);
  }
  Slice*& ListOf(const Slice* slab) {
    return List(slab->slab.size_class, slab->slab.state);
  }
  ABSL_ATTRIBUTE_NOINLINE void Push(Slice* slab);
  ABSL_ATTRIBUTE_NOINLINE void Remove(Slice* slab);
  Slice* OldestPartial(size_t size_class, uint8_t least_epochs) const;
  ABSL_ATTRIBUTE_NOINLINE size_t PurgeUnused(Slice* slab);
  size_t SweepOne(Slice* slab);
  ABSL_ATTRIBUTE_COLD size_t ListLength(size_t size_class,
                                        const Object* list) const;

  template <typename Visit>
  void VisitSlabs(Visit visit) const {
    for (const auto& lists : lists_) {
      for (Slice* slab : lists) {
        while (slab != nullptr) {
          Slice* next = slab->next;
          visit(slab);
          slab = next;
        }
      }
    }
  }

  ChargedRuns runs_;
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
  inline static bool sweeps_at_once_ = false;
  size_t num_slabs_ = 0;
  size_t epoch_slabs_ = kEpochSlabs;  // so many begin the next epoch
  bool sweeps_ = false;               // this epoch, while slabs grow
  uint8_t takes_few_ = 0;
  uint8_t epoch_ = 0;
  uint8_t sweep_class_ = 0;  // where the next sweep goes on
  ListEnd end_;
  // Classes whose list was made by carving: it ends with the page.
  bool is_carved_[kNumSizeClasses] = {};
  // How often all objects of a short list were back.
  uint8_t turns_[kNumSizeClasses] = {};
  // Last, where of a pool with few classes no page need be touched.
  Slice* lists_[kNumSizeClasses][kNumSlabStates];
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_SLABS_SLAB_POOL_H_
