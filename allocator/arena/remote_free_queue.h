// What other threads have freed of one thread's share of an arena: they push
// chains of objects, the owner takes all of them at once.
//
// A chain lies in its own objects, which are of one slab; a block is a chain of
// one:
//
//   1st object   [ next in chain ][ next chain in the queue | has a tail ]
//   2nd object   [ next in chain ][ count : 16 | last object : 48 ]
//
// so that the owner splices it without walking. Pushing is one compare-and-swap
// for a whole chain; as everything is taken at once, an address can come back
// without harm (R. K. Treiber, "Systems Programming: Coping with Parallelism",
// 1986, without its pop).
//
// Push by any thread; the rest by the owner.
#ifndef MYONLY_ALLOCATOR_ARENA_REMOTE_FREE_QUEUE_H_
#define MYONLY_ALLOCATOR_ARENA_REMOTE_FREE_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/pages/slice.h"

namespace myonly::internal {

// Objects linked from `first` to `last`.
struct RemoteChain {
  Object* first;
  Object* last;
  size_t count;
};

class RemoteFreeQueue {
 public:
  static constexpr size_t kMaxChain = (size_t{1} << 16) - 1;

  void Push(const RemoteChain& chain) {
    auto* node = reinterpret_cast<Node*>(chain.first);
    uintptr_t flag = 0;
    if (chain.count > 1) {
      flag = kHasTail;
      reinterpret_cast<Node*>(node->next)->word =
          reinterpret_cast<uintptr_t>(chain.last) |
          (uint64_t{chain.count} << kCountShift);
    }
    uintptr_t head = head_.load(std::memory_order_relaxed);
    do {
      node->word = head | flag;
    } while (!head_.compare_exchange_weak(
        head, reinterpret_cast<uintptr_t>(node), std::memory_order_release,
        std::memory_order_relaxed));
  }

  bool empty() const {
    return head_.load(std::memory_order_relaxed) == 0 && taken_ == 0;
  }

  // Forgets all chains, whose memory is not theirs any more. Nobody may push.
  void Clear() {
    head_.store(0, std::memory_order_relaxed);
    taken_ = 0;
  }

  // Takes a chain out. False: there is none.
  bool Pop(RemoteChain* chain) {
    if (taken_ == 0) {
      taken_ = head_.exchange(0, std::memory_order_acquire);
      if (taken_ == 0) return false;
    }
    auto* node = reinterpret_cast<Node*>(taken_);
    taken_ = node->word & ~kHasTail;
    chain->first = chain->last = reinterpret_cast<Object*>(node);
    chain->count = 1;
    if ((node->word & kHasTail) != 0) {
      const uintptr_t tail = reinterpret_cast<Node*>(node->next)->word;
      chain->last =
          reinterpret_cast<Object*>(tail & ((uintptr_t{1} << kCountShift) - 1));
      chain->count = tail >> kCountShift;
    }
    return true;
  }

 private:
  struct Node {
    Object* next;
    uintptr_t word;
  };
  static constexpr uintptr_t kHasTail = 1;
  static constexpr int kCountShift = 48;

  std::atomic<uintptr_t> head_{0};
  uintptr_t taken_ = 0;  // the owner's: chains taken and not popped yet
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_REMOTE_FREE_QUEUE_H_
