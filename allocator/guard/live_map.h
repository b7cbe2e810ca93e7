// Which addresses of a reservation are live blocks: one bit for every 16 bytes,
// out of reach of what is written to blocks.
//
// A bit is set while the program has the block that begins there: from when it
// is handed out until it is freed, whoever does it and however late the memory
// is used again. So a second free is always seen, also one in another thread at
// the same moment, as is the free of an address where no block begins; and a
// block that is live is never handed out.
//
// Thread-safe. A caller who says that there is but one thread spares the atomic
// instruction.
#ifndef MYONLY_ALLOCATOR_GUARD_LIVE_MAP_H_
#define MYONLY_ALLOCATOR_GUARD_LIVE_MAP_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

class LiveMap {
 public:
  constexpr LiveMap() = default;

  // Of the addresses from `base`, a multiple of kBytesPerWord, on.
  void Set(uintptr_t base, uint64_t* words) {
    base_ = base;
    words_ = words;
  }

  // How many bytes of it `bytes` of memory need; a multiple of 8 if `bytes` is
  // one of kBytesPerWord.
  static constexpr size_t BytesFor(size_t bytes) {
    return bytes / kBytesPerWord * sizeof(uint64_t);
  }

  // False: it was live already.
  bool MarkLive(const void* ptr, bool is_alone) const {
    uint64_t& word = WordOf(ptr);
    const uint64_t bit = BitOf(ptr);
    if (is_alone) {
      const uint64_t before = word;
      word = before | bit;
      return (before & bit) == 0;
    }
    return (__atomic_fetch_or(&word, bit, __ATOMIC_RELAXED) & bit) == 0;
  }

  // False: it was not live.
  bool MarkFree(const void* ptr, bool is_alone) const {
    uint64_t& word = WordOf(ptr);
    const uint64_t bit = BitOf(ptr);
    if (is_alone) {
      const uint64_t before = word;
      word = before & ~bit;
      return (before & bit) != 0;
    }
    return (__atomic_fetch_and(&word, ~bit, __ATOMIC_RELAXED) & bit) != 0;
  }

  bool IsLive(const void* ptr) const {
    return (__atomic_load_n(&WordOf(ptr), __ATOMIC_RELAXED) & BitOf(ptr)) != 0;
  }

  // The same for who looks at a block of others, whose slab or region may be
  // gone and another one there.
  bool PeekLive(const void* ptr) const {
    return (Peek(WordOf(ptr)) & BitOf(ptr)) != 0;
  }

  // Nothing in [start, start + bytes), both multiples of kBytesPerWord, is live
  // any more.
  void Clear(const void* start, size_t bytes) const {
    memset(&WordOf(start), 0, BytesFor(bytes));
  }

  static constexpr size_t kBytesPerWord = 64 * kMinAlignment;

 private:
  uint64_t& WordOf(const void* ptr) const {
    return words_[(reinterpret_cast<uintptr_t>(ptr) - base_) / kBytesPerWord];
  }
  static uint64_t BitOf(const void* ptr) {
    return uint64_t{1} << (reinterpret_cast<uintptr_t>(ptr) / kMinAlignment %
                           64);
  }

  uintptr_t base_ = 0;
  uint64_t* words_ = nullptr;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_LIVE_MAP_H_
