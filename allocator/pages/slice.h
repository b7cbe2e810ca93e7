// The descriptor of a slice, and the reservation that pairs slices with
// descriptors by arithmetic.
//
//   lower addresses                     base                higher addresses
//   ... | Slice 2 | Slice 1 | Slice 0 | slice 0 (32 KiB) | slice 1 | slice 2
//   ...
//       <------- descriptors grow       memory grows ------->
//
// In the secure preset descriptors are elsewhere (guard/apart_metadata.h), but
// follow each other as here.
//
// free() finds the descriptor of any address from `base` and
// `committed_bytes` alone: NULL, stack, globals and foreign mappings all fall
// outside, so no garbage address is ever followed.
//
// A run is a range of slices with one kind and owner. Its first and last
// descriptors are its boundary tags: both hold `run_slices` and `head`; every
// slice of a run in use holds kind, owner and head.
//
// Externally synchronised by the run pool; `kind`, `owner` and `key` of a run
// in use are constant and may be read by every thread that holds a block of it.
#ifndef MYONLY_ALLOCATOR_PAGES_SLICE_H_
#define MYONLY_ALLOCATOR_PAGES_SLICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/free_link.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

struct Slice;

enum class RunKind : uint8_t {
  kNone = 0,       // committed, never part of a run
  kFree,           // in the run pool
  kRegion,         // cut into blocks, of an arena
  kSubHeapRegion,  // cut into blocks, of one thread's share of an arena
  kSlab,           // one slice, cut into equal objects
  kLarge,          // one block
  kBusy,           // on its way: being purged, or being freed
};

// Written by whoever owns the run or holds the pool's lock, and read by others:
// by the neighbours' coalescing under that lock, by free() with the certainty
// that a live block's does not change.
template <typename T>
class OwnerWritten {
 public:
  OwnerWritten() = default;
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr OwnerWritten(T value) : value_(value) {}
  operator T() const {  // NOLINT(google-explicit-constructor)
#ifdef ABSL_HAVE_THREAD_SANITIZER
    T value;
    __atomic_load(&value_, &value, __ATOMIC_RELAXED);
    return value;
#else
    return value_;  // may be an operand so; one byte or word in any case
#endif
  }
  OwnerWritten& operator=(T value) {
    // Not __atomic_store_n, which clang has for numbers only.
    __atomic_store(&value_, &value, __ATOMIC_RELAXED);
    return *this;
  }
  // By who neither owns the run nor holds a lock. Sees what was written before
  // Publish.
  T Peek() const {
#ifdef ABSL_HAVE_THREAD_SANITIZER
    T value;
    __atomic_load(&value_, &value, __ATOMIC_ACQUIRE);
    return value;
#else
    return internal::Peek(value_);
#endif
  }
  // As `=`, after all that was written before.
  void Publish(T value) { __atomic_store(&value_, &value, __ATOMIC_RELEASE); }

 private:
  T value_;
};

struct Object;

// Objects are linked with those of their slab; in the secure preset the end of
// a list is the address kListEnd, which is no memory.
struct ObjectLinkRule {
  static bool IsGood(const void* place, uintptr_t address) {
    return ABSL_PREDICT_TRUE(((address ^ ObjectAt(place)) &
                              ~(kSliceSize - kMinAlignment)) == 0) ||
           address == kListEnd || address == 0;
  }
  [[noreturn]] ABSL_ATTRIBUTE_COLD static void Report(const void* place) {
    ReportAndAbort("overwritten free object",
                   reinterpret_cast<const void*>(ObjectAt(place)));
  }
  static uintptr_t ObjectAt(const void* place) {
    return AlignDown(reinterpret_cast<uintptr_t>(place), kMinAlignment);
  }
  static constexpr uintptr_t kListEnd = 8;
};

// A free object of a slab.
struct Object {
  // The token of its slab's owner, by which a second free is told from the
  // first, and a free object from what a link that was overwritten leads to.
  // Taking it clears the mark, and no program knows a token. It comes first, as
  // most writes after free, and overflows from the object before, hit the first
  // word: they are seen before the link is followed.
  uintptr_t mark;
  FreeLink<Object, ObjectLinkRule> next;
};

enum class SlabState : uint8_t {
  kActive,   // its objects are being handed out
  kFull,     // all of them were, and few have come back
  kPartial,  // waits to be active again
  kSwept,    // has waited for long: pages without a used object were purged
};
inline constexpr size_t kNumSlabStates = 4;

// What each kind of run keeps in its first descriptor.
struct FreeRunFields {
  Slice* left;  // links of the tree
  Slice* right;
};
struct SlabFields {
  Object* free;       // came back since the slab's objects were last taken
  uint16_t needed;    // so many more, and the slab wants attention
  uint16_t capacity;  // objects
  uint16_t carved;    // of them, those handed out ever and on no purged page
  uint8_t size_class;
  SlabState state;
};
struct LargeFields {
  uint32_t payload_offset;  // from the start of the run to the block
  uint32_t usable_pages;    // from the block to its promised end
  bool has_guard;           // the page behind that faults, without a mapping
};

// Each free() of an object writes its slab's: neighbours may be two threads'.
struct alignas(kInterferenceSize) Slice {
  // Slab: the token of the thread that may free objects without further ado,
  // mixed with where objects begin (Slab::Key); else kNoSlab, which makes no
  // thread's token with any address.
  static constexpr uintptr_t kNoSlab = ~uintptr_t{0};
  OwnerWritten<uintptr_t> key;
  union {
    FreeRunFields tree;
    SlabFields slab;
    LargeFields large;
  };
  void* owner;      // whose run it is: the run pool does not look
  Slice* previous;  // in use: the owner's list of runs
  Slice* next;
  uint32_t head;        // index of the run's first slice
  uint32_t run_slices;  // first and last slice only
  OwnerWritten<RunKind> kind;
  union {
    bool dirty;           // free run: its pages may be resident and not zero
    uint8_t swept_pages;  // slab: bit i tells that page i has been purged
  };
  uint8_t reservation;  // index in the run pool
  union {
    uint8_t waits_since;  // partial slab: the epoch of its pool
    uint8_t swept_base;   // swept slab: used objects not counted, in units
  };
  uint32_t reciprocal;  // slab: 2^32 / object size, a bit more
};
static_assert(sizeof(Slice) == 128, "32 descriptors fill one page");

// What a slice is part of, and whose that is, for who looks at it without a
// lock; kFree: nobody's, or it changed meanwhile. A run that is given up says
// so before it loses its owner, and one that is taken has its owner before its
// kind. Owners stay readable, but for arenas with memory of their own.
struct Holder {
  RunKind kind;
  void* owner;

  bool is_share() const {
    return kind == RunKind::kSlab || kind == RunKind::kSubHeapRegion;
  }
};
ABSL_ATTRIBUTE_ALWAYS_INLINE inline Holder HolderOfInline(const Slice* slice) {
  const RunKind kind = slice->kind.Peek();
  void* owner = Peek(slice->owner);
  const bool is_same = owner != nullptr && slice->kind.Peek() == kind;
  return {is_same ? kind : RunKind::kFree, owner};
}
ABSL_ATTRIBUTE_NOINLINE inline Holder HolderOf(const Slice* slice) {
  return HolderOfInline(slice);
}

// Where the descriptors of a reservation end: at its base, unless they are kept
// apart.
template <bool kApart>
class DescriptorsEnd {
 protected:
  static void SetEnd(uintptr_t /*end*/) {}
  static uintptr_t EndFor(uintptr_t base) { return base; }
};
template <>
class DescriptorsEnd<true> {
 protected:
  constexpr DescriptorsEnd() = default;
  void SetEnd(uintptr_t end) { __atomic_store_n(&end_, end, __ATOMIC_RELAXED); }
  uintptr_t EndFor(uintptr_t /*base*/) const {
    return __atomic_load_n(&end_, __ATOMIC_RELAXED);
  }

 private:
  uintptr_t end_ = 0;
};

class Reservation : private DescriptorsEnd<kIsSecure> {
 public:
  constexpr Reservation() = default;

  // `base` has room for `slices` above it. Their descriptors are below
  // `descriptors_end`, which is `base` unless the preset keeps them apart.
  // Nothing is committed yet. With NULL and 0 it is unused again.
  void Set(void* base, size_t slices) {
    Set(base, slices, reinterpret_cast<uintptr_t>(base));
  }
  void Set(void* base, size_t slices, uintptr_t descriptors_end) {
    const auto address = reinterpret_cast<uintptr_t>(base);
    SetEnd(descriptors_end);
    Hide();
    Write(&base_, address);
    slices_ = slices;
  }
  // No address is in it, until something is committed.
  void Hide() {
    Write(&last_below_, kNowhere);
    committed_slices_.store(0, std::memory_order_relaxed);
    Write(&least_distance_, UINTPTR_MAX);
  }

  // The descriptor of the slice at `address`, or NULL if that is outside.
  Slice* Find(const void* address) const {
    Slice* slice;
    return Find(address, &slice) ? slice : nullptr;
  }

  // The same with the answer apart: free() needs no second look at it.
  //
  // Counted from the base downwards, as descriptors are: what is committed has
  // distances of at least `-committed`, and one shift makes a descriptor of a
  // distance. The fields are read plainly, which lets them be operands: they
  // are words, and who holds an address that lies in here has synchronised with
  // whoever committed it.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Find(const void* address,
                                         Slice** slice) const {
    const uintptr_t distance =
        Read(last_below_) - reinterpret_cast<uintptr_t>(address);
    if (ABSL_PREDICT_FALSE(distance < Read(least_distance_))) return false;
    const intptr_t offset =
        static_cast<intptr_t>(distance) >> (kSliceShift - kDescriptorShift) &
        -(intptr_t{1} << kDescriptorShift);
    *slice = reinterpret_cast<Slice*>(EndOfDescriptors() +
                                      static_cast<uintptr_t>(offset));
    return true;
  }

  // The same of one in whose place another may come meanwhile.
  Slice* FindAsItIs(const void* address) const {
    const uintptr_t before = Peek(base_);
    Slice* slice = Find(address);
#ifndef ABSL_HAVE_THREAD_SANITIZER
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
    return Peek(base_) == before ? slice : nullptr;
  }

  Slice* At(size_t index) const {
    return reinterpret_cast<Slice*>(EndOfDescriptors()) - 1 - index;
  }
  size_t IndexOf(const Slice* slice) const {
    return static_cast<size_t>(reinterpret_cast<Slice*>(EndOfDescriptors()) -
                               1 - slice);
  }
  char* AddressOf(const Slice* slice) const {
    return reinterpret_cast<char*>(base()) + (IndexOf(slice) << kSliceShift);
  }

  // Nothing more is committed.
  void Close() { slices_ = committed_slices(); }

  uintptr_t base() const { return Read(base_); }
  size_t slices() const { return slices_; }
  size_t committed_slices() const {
    return committed_slices_.load(std::memory_order_relaxed);
  }
  // > 0.
  void set_committed_slices(size_t slices) {
    committed_slices_.store(slices, std::memory_order_relaxed);
    Write(&least_distance_, -(slices << kSliceShift));
    // Last: who reads it first sees the rest.
    __atomic_store_n(&last_below_, Read(base_) - 1, __ATOMIC_RELEASE);
  }

 private:
  uintptr_t EndOfDescriptors() const { return EndFor(Read(base_)); }

  static constexpr int kDescriptorShift = 7;
  static_assert(sizeof(Slice) == size_t{1} << kDescriptorShift);
  // Plain, so that the words can be operands of other instructions; a thread
  // sanitizer is told that they are meant to be read so.
  static uintptr_t Read(const uintptr_t& word) {
#ifdef ABSL_HAVE_THREAD_SANITIZER
    return __atomic_load_n(&word, __ATOMIC_RELAXED);
#else
    return word;
#endif
  }
  static void Write(uintptr_t* word, uintptr_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
  }

  // While nothing is committed one address has a distance that is large enough:
  // the one after this, which no pointer can be.
  static constexpr uintptr_t kNowhere = uintptr_t{1} << 63;

  uintptr_t last_below_ = kNowhere;         // base - 1
  uintptr_t least_distance_ = UINTPTR_MAX;  // of what is committed
  uintptr_t base_ = 0;
  size_t slices_ = 0;  // reserved
  std::atomic<size_t> committed_slices_{0};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_SLICE_H_
