// A slab: one slice cut into equal objects without headers, object i at i times
// the object size. What is known of it is in the slice's descriptor.
//
//   used objects = handed out and not on `free`
//   needed       = used, while active or partial: 0 means that all are back
//                = what is missing until it is worth waking, while full
//                = what is missing until it is worth another look, while swept
//
// One counter for both (snmalloc's idea): a free decrements it and looks no
// further until it is 0. Objects are carved a page at a time, so that a page
// that nobody wants is never touched. Pages of a slab that waits for long are
// purged when they have no used object; the objects on them are off the list
// then, until they are carved again.
//
// Externally synchronised: only the thread that owns the slab calls these.
#ifndef MYONLY_ALLOCATOR_SLABS_SLAB_H_
#define MYONLY_ALLOCATOR_SLABS_SLAB_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/free_mark.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"

namespace myonly::internal {

// What a list of objects ends with. No object is at its address, which lies at
// 8 modulo 16, and whoever takes it for one finds no mark: that costs less than
// a comparison with NULL. It is written to, so each pool has its own.
struct alignas(kMinAlignment) ListEnd {
  uintptr_t space = 0;
  Object object = {};
};

class Slab {
 public:
  // Waking later lets more objects gather; waking earlier reuses memory sooner.
  // A slab of few objects wakes with the first one, which mostly is used again
  // at once, while the caches have it.
  static constexpr size_t WakeThreshold(size_t capacity) {
    return capacity <= kFewObjects ? 1 : Min(capacity / 8, 32);
  }
  // In secure lists are of one slab.
  static constexpr size_t kFewObjects = kIsSecure ? 0 : 64;

  // All objects but one are used, and that has just come back.
  static bool HasOnlyOne(const Slice* slice) {
    return slice->slab.state == SlabState::kFull &&
           slice->slab.capacity <= kFewObjects;
  }
  // Then that one is used again.
  static Object* TakeOnlyOne(Slice* slice) {
    Object* object = slice->slab.free;
    slice->slab.free = object->next;
    slice->slab.needed = 1;
    return object;
  }

  // `end` is what its lists end with.
  static void Open(Slice* slice, size_t size_class, Object* end) {
    SlabFields& slab = slice->slab;
    slab.free = end;
    slab.needed = 0;
    slab.capacity = static_cast<uint16_t>(SlabCapacity(size_class));
    slab.carved = 0;
    slab.size_class = static_cast<uint8_t>(size_class);
    slab.state = SlabState::kActive;
    slice->swept_pages = 0;
    slice->reciprocal = Reciprocal(size_class);
  }

  // What a slab's descriptor bears for the thread with this token, which frees
  // at once what gives the token back: a comparison tells that the slab is its
  // own and that an object begins at the address. `start` is the slab's.
  static uintptr_t Key(const Slice* slice, const void* start, uintptr_t token) {
    return token ^ Position(slice, start);
  }
  static uintptr_t TokenAt(const Slice* slice, const void* ptr) {
    return slice->key ^ Position(slice, ptr);
  }
  // The same for who has read the key and knows where the slab begins.
  static uintptr_t TokenOf(uintptr_t key, size_t size_class,
                           const void* start) {
    return key ^ Position(Reciprocal(size_class), start);
  }
  // Two tokens differ in more than a position can make up for.
  static constexpr int kPositionBits = 12;

  // What anybody does who frees an object. False, and nothing done: it is a bad
  // address, or is free already, which has been reported.
  static bool CheckAndMark(Slice* slice, void* ptr) {
    return CheckAndMark(slice, ptr, TokenAt(slice, ptr));
  }
  static bool CheckAndMark(Slice* slice, void* ptr, uintptr_t token_at) {
    return CheckStart(slice, ptr) && Mark(slice, ptr, token_at);
  }
  // The same for an address that is known to be an object's, of a slab whose
  // owner has this token.
  static bool Mark(const Slice* slice, void* ptr, uintptr_t token) {
    if constexpr (kChecksObjects) {
      auto* object = static_cast<Object*>(ptr);
      if (ABSL_PREDICT_FALSE(IsMarked(object, token))) {
        ReportBadFree(ptr, slice);
        return false;
      }
      // Apart from the link next to it: one wide store of both costs more.
      __atomic_store_n(&object->mark, token, __ATOMIC_RELAXED);
    }
    return true;
  }
  // A byte first, which always comes from one store: a word of which the
  // program has just written a part has to wait until that is in the cache, a
  // dozen cycles for each object that is used for a moment.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static bool IsMarked(const Object* object,
                                                    uintptr_t token) {
    return ABSL_PREDICT_FALSE(LowByte(&object->mark) ==
                              static_cast<uint8_t>(token)) &&
           object->mark == token;
  }
  // What anybody does who takes an object from a list.
  static void ClearMark(Object* object) {
    if constexpr (kChecksObjects) object->mark = 0;
  }
  static bool IsEnd(const Object* object) {
    return (reinterpret_cast<uintptr_t>(object) & sizeof(uintptr_t)) != 0;
  }
  // The first object of a list of the thread with this token. NULL, and nothing
  // changed: the list is at its end, or an object was written to after it had
  // been freed.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void* TakeFirst(Object** list,
                                                      uintptr_t token) {
    Object* object = *list;
    if (kIsSecure && ABSL_PREDICT_FALSE(IsEnd(object))) return nullptr;
    // Makes gcc load it where it is returned: an instruction less in malloc.
    asm("" : "+r"(object));
    if constexpr (kChecksObjects) {
      if (ABSL_PREDICT_FALSE(ToggleMark(&object->mark, token))) {
        ToggleMark(&object->mark, token);
        return nullptr;
      }
    } else {
      if (ABSL_PREDICT_FALSE(IsEnd(object))) return nullptr;
    }
    *list = object->next;
    return object;
  }
  // With the address first, where free() has it already.
  ABSL_ATTRIBUTE_COLD static void ReportBadFree(const void* ptr,
                                                const Slice* slice);
  // The same for who can't go on.
  [[noreturn]] static void ReportBadUse(const void* ptr, const Slice* slice);

  // A list that came back holds more than was handed out, or does not begin as
  // it must. It aborts; callers that take it for a function that returns need
  // no stack.
  ABSL_ATTRIBUTE_COLD static Object* ReportBadList(Object* list,
                                                   const Slice* slice,
                                                   bool is_too_long);

  // The owner frees an object. True: the slab wants attention.
  static bool Free(Slice* slice, void* ptr) {
    return CheckStart(slice, ptr) &&
           FreeObject(slice, ptr, TokenAt(slice, ptr));
  }
  // The same for an address that has given the owner's token: an object's.
  static bool FreeObject(Slice* slice, void* ptr, uintptr_t token) {
    return Mark(slice, ptr, token) && PutBack(slice, static_cast<Object*>(ptr));
  }
  // The same for one that is marked, as it has never been taken from its list.
  static bool PutBack(Slice* slice, Object* object) {
    object->next = slice->slab.free;
    slice->slab.free = object;
    return --slice->slab.needed == 0;
  }

  // All that came back, as a list; they count as used again. NULL: none.
  static Object* TakeFree(Slice* slice, Object* end) {
    Object* list = slice->slab.free;
    if (IsEnd(list)) return nullptr;
    slice->slab.free = end;
    slice->slab.needed = slice->slab.carved;
    return list;
  }

  // The same for `most` of them at most.
  ABSL_ATTRIBUTE_COLD static Object* TakeSome(Slice* slice, size_t most,
                                              Object* end);

  // The objects of the next page, as a list in the order of addresses; they
  // count as used. NULL: every one has been carved. `start` is the slab's.
  // Pages that were purged come first.
  static Object* Carve(Slice* slice, char* start, Object* end);

  // A list of its first `count` objects, before `rest`. `start` is the slab's.
  static Object* MakeList(char* start, size_t count, size_t bytes,
                          uintptr_t token, Object* rest);

  // Takes what lies on wholly unused pages off the list; returns those pages,
  // which the caller purges. Only for slabs that have been carved to the end.
  ABSL_ATTRIBUTE_COLD static unsigned Sweep(Slice* slice);

  // Dies if an object on a purged page has been freed. Its mark was purged too,
  // so that nobody could see that it was free already. Looks at `most` objects.
  ABSL_ATTRIBUTE_COLD static void CheckSwept(const Slice* slice,
                                             size_t most = SIZE_MAX);

  // Objects on purged pages.
  ABSL_ATTRIBUTE_COLD static size_t SweptObjects(const Slice* slice);

  // Used objects.
  static size_t Used(const Slice* slice) {
    return NotCounted(slice) + slice->slab.needed;
  }

  // Every object is handed out: sleeps until enough have come back.
  static void Sleep(Slice* slice) {
    slice->slab.state = SlabState::kFull;
    slice->slab.needed =
        static_cast<uint16_t>(WakeThreshold(slice->slab.capacity));
  }
  // It was swept, and sleeps until a quarter of what is used has come back.
  ABSL_ATTRIBUTE_NOINLINE static void SleepSwept(Slice* slice) {
    SlabFields& slab = slice->slab;
    const size_t units = slab.needed * size_t{3} / 4 / SweptUnit(slab);
    slab.state = SlabState::kSwept;
    slice->swept_base = static_cast<uint8_t>(units);
    slab.needed = static_cast<uint16_t>(slab.needed - NotCounted(slice));
  }
  // `extra` objects more have come back than were waited for; false: than were
  // used.
  static bool Wake(Slice* slice, size_t extra) {
    const size_t used = Used(slice);
    slice->slab.state = SlabState::kPartial;
    slice->slab.needed = static_cast<uint16_t>(used - extra);
    return extra <= used;
  }

  // An object begins at `ptr`, which lies in the slab, carved or not.
  static bool StartsObject(const Slice* slice, const void* ptr) {
    const auto offset = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(ptr) &
                                              (kSliceSize - 1));
    return offset * slice->reciprocal >> (32 - kPositionBits) == 0;
  }
  // An object size times the reciprocal overflows to less than the size times
  // 32, so that offsets of objects overflow to less than 2^20. Others come out
  // at 2^22 or more, which is the least reciprocal (Lemire, Kaser, Kurz,
  // "Faster remainder by direct computation", 2019).
  static constexpr uint32_t Reciprocal(size_t size_class) {
    return static_cast<uint32_t>(
        AlignUp(((uint64_t{1} << 32) - 1) / ObjectBytes(size_class) + 1, 32));
  }
  // The same, and the object has been carved and is not free. Of a slab with
  // purged pages the answer is no, and may be so while its owner carves.
  static bool IsLive(const Slice* slice, const void* ptr) {
    const uint64_t offset = reinterpret_cast<uintptr_t>(ptr) & (kSliceSize - 1);
    const uint64_t index_and_rest = offset * slice->reciprocal;
    return static_cast<uint32_t>(index_and_rest) >> (32 - kPositionBits) == 0 &&
           index_and_rest >> 32 < Peek(slice->slab.carved) &&
           Peek(slice->swept_pages) == 0 &&
           (!kChecksObjects ||
            static_cast<const Object*>(ptr)->mark != TokenAt(slice, ptr));
  }
  // The same for an address that has given the owner's token.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static bool IsLive(const Slice* slice,
                                                  const void* ptr,
                                                  uintptr_t token) {
    return kChecksObjects ? !IsMarked(static_cast<const Object*>(ptr), token)
                          : StartsObject(slice, ptr);
  }
  // An object begins at `ptr`, and has been carved.
  static bool IsObject(const Slice* slice, const void* ptr) {
    const size_t offset = reinterpret_cast<uintptr_t>(ptr) & (kSliceSize - 1);
    return StartsObject(slice, ptr) &&
           offset < EndOfCarved(slice) * ObjectBytes(slice->slab.size_class);
  }

 private:
  // Its owner may sweep it, or carve what was swept, meanwhile: swept pages are
  // noted before the first and until after the second.
  static size_t EndOfCarved(const Slice* slice) {
    unsigned swept = Peek(slice->swept_pages);
    const size_t carved = Peek(slice->slab.carved);
    swept |= Peek(slice->swept_pages);
    return swept == 0 ? carved : slice->slab.capacity;
  }
  static uint8_t LowByte(const uintptr_t* word) {
    constexpr size_t kAt =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof(*word) - 1;
    return reinterpret_cast<const uint8_t*>(word)[kAt];
  }
  static bool CheckStart(const Slice* slice, const void* ptr) {
    if (kChecksObjects && ABSL_PREDICT_FALSE(!StartsObject(slice, ptr))) {
      ReportBadFree(ptr, slice);
      return false;
    }
    return true;
  }

  // One for all objects of a slab, others for what lies between: where a slab
  // begins times a multiple of 32 is a multiple of 2^20, to which the offset
  // adds as in StartsObject.
  static uintptr_t Position(const Slice* slice, const void* ptr) {
    return Position(slice->reciprocal, ptr);
  }
  static uintptr_t Position(uint32_t reciprocal, const void* ptr) {
    if constexpr (!kChecksObjects) return 0;
    const auto address =
        static_cast<uint32_t>(reinterpret_cast<uintptr_t>(ptr));
    return address * reciprocal >> (32 - kPositionBits);
  }
  static_assert(kSliceSize * 32 == size_t{1} << (32 - kPositionBits));

  // Used objects that `needed` leaves out.
  static size_t NotCounted(const Slice* slice);
  // Of the objects in `swept_base`, which is a byte.
  static size_t SweptUnit(const SlabFields& slab) {
    return 1 + slab.capacity / 256;
  }
  static Object* CarveSwept(Slice* slice, char* start, Object* end);
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_SLABS_SLAB_H_
