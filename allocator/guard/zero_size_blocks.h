// Blocks of no bytes, as malloc(0) makes them: each has an address of its own,
// and every touch of it faults, at the culprit.
//
// Which addresses are live blocks says a bit each, out of reach. They are taken
// in turn, so one is not another's soon after it has been freed.
//
// Thread-safe and without a lock; what is const may be called in a signal
// handler.
#ifndef MYONLY_ALLOCATOR_GUARD_ZERO_SIZE_BLOCKS_H_
#define MYONLY_ALLOCATOR_GUARD_ZERO_SIZE_BLOCKS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/base/sizes.h"
#include "allocator/guard/live_map.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

class ZeroSizeBlocks {
 public:
  static constexpr size_t kMostBlocks = 65536;

  explicit constexpr ZeroSizeBlocks(PageSource& pages) : pages_(pages) {}
  ZeroSizeBlocks(const ZeroSizeBlocks&) = delete;
  ZeroSizeBlocks& operator=(const ZeroSizeBlocks&) = delete;

  // Off, none are made; those that are live stay.
  void set_is_on(bool is_on) { is_on_.store(is_on, std::memory_order_relaxed); }

  // NULL: it is off, almost all that can be are live, or the system has no
  // addresses for them.
  void* Allocate();

  // Whether the address is one of theirs, live or not.
  bool Has(const void* ptr) const {
    const uintptr_t start = base();
    return start != kNowhere &&
           reinterpret_cast<uintptr_t>(ptr) - start < kBytes;
  }

  // What follows is for addresses that it has.
  bool IsLive(const void* ptr) const {
    return IsStart(ptr) && LiveAt(base()).IsLive(ptr);
  }
  // False, and nothing done: no live one is there.
  bool Free(const void* ptr) {
    if (!IsStart(ptr) || !LiveAt(base()).MarkFree(ptr, /*is_alone=*/false)) {
      return false;
    }
    frees_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  static bool IsStart(const void* ptr) {
    return IsAligned(reinterpret_cast<uintptr_t>(ptr), kMinAlignment);
  }

  // How many there have been. Freed ones first, as others go on meanwhile.
  size_t frees() const { return frees_.load(std::memory_order_acquire); }
  size_t allocations() const {
    return allocations_.load(std::memory_order_acquire);
  }

  // The next live one, beginning with number `*index`, which is its number
  // then. NULL: there is none.
  void* NextLive(size_t* index) const;

 private:
  static constexpr size_t kBytes = kMostBlocks * kMinAlignment;
  // The bits are behind a page that faults, too.
  static constexpr size_t kMapOffset = kBytes + kPageSize;
  static constexpr size_t kMapBytes = LiveMap::BytesFor(kBytes);
  static_assert(kMapBytes % kPageSize == 0);
  static constexpr uintptr_t kNowhere = 0;

  uintptr_t base() const { return base_.load(std::memory_order_acquire); }
  static LiveMap LiveAt(uintptr_t base) {
    LiveMap live;
    live.Set(base, reinterpret_cast<uint64_t*>(base + kMapOffset));
    return live;
  }
  // kNowhere: it can't be.
  uintptr_t Reserve();

  PageSource& pages_;
  std::atomic<uintptr_t> base_{kNowhere};
  std::atomic<size_t> next_{0};
  std::atomic<size_t> allocations_{0};
  std::atomic<size_t> frees_{0};
  std::atomic<bool> is_on_{true};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_ZERO_SIZE_BLOCKS_H_
