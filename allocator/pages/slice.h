// The descriptor of a slice, and the reservation that pairs slices with
// descriptors by arithmetic.
//
//   lower addresses                     base                higher addresses
//   ... | Slice 2 | Slice 1 | Slice 0 | slice 0 (32 KiB) | slice 1 | slice 2
//   ...
//       <------- descriptors grow       memory grows ------->
//
// free() finds the descriptor of any address from `base` and
// `committed_bytes` alone: NULL, stack, globals and foreign mappings all fall
// outside, so no garbage address is ever followed.
//
// A run is a range of slices with one kind and owner. Its first and last
// descriptors are its boundary tags: both hold `run_slices` and `head`; every
// slice of a run in use holds kind, owner and head.
//
// Externally synchronised by the run pool; `kind` and `owner` of a run in use
// are constant and may be read by every thread that holds a block of it.
#ifndef MYONLY_ALLOCATOR_PAGES_SLICE_H_
#define MYONLY_ALLOCATOR_PAGES_SLICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

enum class RunKind : uint8_t {
  kNone = 0,  // committed, never part of a run
  kFree,      // in the run pool
  kRegion,    // cut into blocks
  kLarge,     // one block
  kBusy,      // on its way: being purged, or being freed
};

// Written by whoever owns the run or holds the pool's lock, and read by the
// neighbours' coalescing under that lock only.
class AtomicRunKind {
 public:
  operator RunKind() const {  // NOLINT(google-explicit-constructor)
    return value_.load(std::memory_order_relaxed);
  }
  AtomicRunKind& operator=(RunKind kind) {
    value_.store(kind, std::memory_order_relaxed);
    return *this;
  }

 private:
  std::atomic<RunKind> value_;
};

struct alignas(64) Slice {
  AtomicRunKind kind;
  bool dirty;               // free run: its pages may be resident and not zero
  uint32_t head;            // index of the run's first slice
  uint32_t run_slices;      // first and last slice only
  uint32_t reservation;     // index in the run pool
  void* owner;              // whose run it is: the run pool does not look
  Slice* left;              // free: links of the tree
  Slice* right;             //
  Slice* previous;          // in use: the owner's list of runs
  Slice* next;              //
  uint32_t payload_offset;  // large: from the start of the run to the block
  uint32_t usable_pages;    // large: pages from the block to its promised end
};
static_assert(sizeof(Slice) == 64, "64 descriptors fill one page");

class Reservation {
 public:
  constexpr Reservation() = default;

  // `base` has room for `slices` above it and for their descriptors below.
  // Nothing is committed yet. With NULL and 0 it is unused again.
  void Set(void* base, size_t slices) {
    base_.store(reinterpret_cast<uintptr_t>(base), std::memory_order_relaxed);
    slices_ = slices;
    set_committed_slices(0);
  }

  // The descriptor of the slice at `address`, or NULL if that is outside.
  Slice* Find(const void* address) const {
    Slice* slice;
    return Find(address, &slice) ? slice : nullptr;
  }
  // The same with the answer apart: free() needs no second look at it.
  bool Find(const void* address, Slice** slice) const {
    // In this order: who sees the committed size sees the base.
    const size_t committed = committed_bytes_.load(std::memory_order_acquire);
    const uintptr_t base = base_.load(std::memory_order_relaxed);
    const uintptr_t offset = reinterpret_cast<uintptr_t>(address) - base;
    if (ABSL_PREDICT_FALSE(offset >= committed)) return false;
    *slice = reinterpret_cast<Slice*>(base) - 1 - (offset >> kSliceShift);
    return true;
  }

  Slice* At(size_t index) const {
    return reinterpret_cast<Slice*>(base()) - 1 - index;
  }
  size_t IndexOf(const Slice* slice) const {
    return static_cast<size_t>(reinterpret_cast<Slice*>(base()) - 1 - slice);
  }
  char* AddressOf(const Slice* slice) const {
    return reinterpret_cast<char*>(base()) + (IndexOf(slice) << kSliceShift);
  }

  uintptr_t base() const { return base_.load(std::memory_order_relaxed); }
  size_t slices() const { return slices_; }
  size_t committed_slices() const {
    return committed_bytes_.load(std::memory_order_relaxed) >> kSliceShift;
  }
  void set_committed_slices(size_t slices) {
    committed_bytes_.store(slices << kSliceShift, std::memory_order_release);
  }

 private:
  std::atomic<uintptr_t> base_{0};
  std::atomic<size_t> committed_bytes_{0};  // 0 while unused: Find has nothing
  size_t slices_ = 0;                       // reserved
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_SLICE_H_
