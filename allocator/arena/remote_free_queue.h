// What other threads have freed of one thread's share of an arena: they push
// chains of objects, the owner takes all of them at once.
//
// A chain lies in its own objects, which are of one slab, and only in their
// links: their marks stay, so that whoever looks at an object sees that it is
// free. A block is a chain of one. Positions are those in the slice, in units
// of 16 bytes:
//
//   1st object   [ 2nd object : 16 | next chain in the queue, has a tail : 48 ]
//   2nd object   [ count : 16 | 0 : 16 | last object : 16 | 3rd object : 16 ]
//
// so that the owner splices it without walking. Pushing is one compare-and-swap
// for a whole chain; as everything is taken at once, an address can come back
// without harm (R. K. Treiber, "Systems Programming: Coping with Parallelism",
// 1986, without its pop).
//
// Push by any thread; the rest by the owner, but for what is marked.
#ifndef MYONLY_ALLOCATOR_ARENA_REMOTE_FREE_QUEUE_H_
#define MYONLY_ALLOCATOR_ARENA_REMOTE_FREE_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

// Objects of one slab, linked from `first` to `last`.
struct RemoteChain {
  Object* first;
  Object* last;
  size_t count;
};

class RemoteFreeQueue {
 public:
  static constexpr size_t kMaxChain = (size_t{1} << 16) - 1;

  void Push(const RemoteChain& chain) {
    Object* first = chain.first;
    uintptr_t tail = 0;
    if (chain.count > 1) {
      Object* second = first->next;
      tail = kHasTail | Position(second) << kAddressBits;
      SetWord(second, Position(second->next) |
                          Position(chain.last) << kLastShift |
                          uint64_t{chain.count} << kCountShift);
    }
    uintptr_t head = head_.load(std::memory_order_relaxed);
    do {
      SetWord(first, head | tail);
    } while (!head_.compare_exchange_weak(
        head, reinterpret_cast<uintptr_t>(first), std::memory_order_release,
        std::memory_order_relaxed));
  }

  bool empty() const {
    return (head_.load(std::memory_order_relaxed) | taken_) == 0;
  }

  // Forgets all chains, whose memory is not theirs any more. Nobody may push.
  void Clear() {
    head_.store(0, std::memory_order_relaxed);
    taken_ = 0;
  }

  // The first object of the chain that Pop takes out next, NULL: there is none.
  // Programs may have written to what they had freed: it need not be one.
  Object* First() {
    if (taken_ == 0) taken_ = head_.exchange(0, std::memory_order_acquire);
    return reinterpret_cast<Object*>(taken_);
  }

  // Takes that chain out. False: its links were overwritten. Where they lead is
  // in the same slice in any case.
  bool Pop(RemoteChain* chain) {
    Object* first = First();
    const uintptr_t word = Word(first);
    taken_ = word & kNextMask;
    chain->first = chain->last = first;
    chain->count = 1;
    if ((word & kHasTail) == 0) return true;
    Object* second = At(first, word >> kAddressBits);
    const uint64_t tail = Word(second);
    first->next = second;
    second->next = At(first, tail);
    chain->last = At(first, tail >> kLastShift);
    chain->count = tail >> kCountShift;
    return (tail & kUnused) == 0 && chain->count > 1;
  }

  // --- By who is not the owner. ---

  // The first objects of two chains that more chains hang on, or NULL: what is
  // posted, and what the owner is taking in.
  const Object* PeekHead() const {
    return reinterpret_cast<const Object*>(
        head_.load(std::memory_order_acquire));
  }
  const Object* PeekTaken() const {
    return reinterpret_cast<const Object*>(Peek(taken_));
  }
  // The first object of the chain after that of `first`, or NULL; `*count`
  // objects are in that of `first`. The owner may take it meanwhile: then both
  // can be anything.
  static const Object* PeekNext(const Object* first, size_t* count) {
    const uintptr_t word = PeekWord(first);
    *count = (word & kHasTail) == 0
                 ? 1
                 : PeekWord(At(first, word >> kAddressBits)) >> kCountShift;
    return reinterpret_cast<const Object*>(word & kNextMask);
  }

 private:
  static uintptr_t PeekWord(const Object* object) {
    return object->next.PeekWord();
  }
  static uintptr_t Position(const Object* object) {
    return (reinterpret_cast<uintptr_t>(object) & (kSliceSize - 1)) /
           kMinAlignment;
  }
  // Bits above the position are of something else.
  static Object* At(const Object* first, uint64_t position) {
    constexpr uintptr_t kPositions = kSliceSize / kMinAlignment;
    return reinterpret_cast<Object*>(
        AlignDown(reinterpret_cast<uintptr_t>(first), kSliceSize) +
        (position & (kPositions - 1)) * kMinAlignment);
  }
  static uintptr_t Word(const Object* object) { return object->next.Word(); }
  static void SetWord(Object* object, uintptr_t word) {
    object->next.SetWord(word);
  }
  static constexpr uintptr_t kHasTail = 1;
  static constexpr int kAddressBits = 48;
  static constexpr uintptr_t kNextMask =
      (uintptr_t{1} << kAddressBits) - 1 - kHasTail;
  static constexpr int kLastShift = 16;
  static constexpr int kCountShift = 48;
  static constexpr uint64_t kUnused = uint64_t{0xffff} << 32;

  std::atomic<uintptr_t> head_{0};
  uintptr_t taken_ = 0;  // the owner's: chains taken and not popped yet
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_REMOTE_FREE_QUEUE_H_
