// Freed blocks of one thread that are not to be used again yet.
//
// What comes in takes a random place, and who was there goes into a queue, the
// oldest of which leaves: no block comes back at once, nor after a number of
// frees that can be known. Bounded by kPlaces blocks and, but for the last one,
// kMaxBytes.
//
// Externally synchronised: one thread's own. All zero at first.
#ifndef MYONLY_ALLOCATOR_GUARD_QUARANTINE_H_
#define MYONLY_ALLOCATOR_GUARD_QUARANTINE_H_

#include <cstddef>
#include <cstdint>

#include "allocator/base/sizes.h"

namespace myonly::internal {

class Quarantine {
 public:
  static constexpr size_t kRandomPlaces = 64;
  static constexpr size_t kQueuePlaces = 128;  // a power of two
  static constexpr size_t kPlaces = kRandomPlaces + kQueuePlaces;
  static constexpr size_t kMaxBytes = size_t{256} << 10;

  struct Entry {
    void* ptr;  // NULL: none
    size_t bytes;
  };

  constexpr Quarantine() = default;

  // Takes a block in. What has to leave for it is given by TakeSurplus.
  void Put(void* ptr, size_t bytes) {
    bytes_ += bytes;
    const Entry before =
        Exchange(&random_[NextRandom() % kRandomPlaces], {ptr, bytes});
    if (before.ptr != nullptr) queue_[last_++ % kQueuePlaces] = before;
  }

  // A block that is to leave; its place is NULL if none is.
  Entry TakeSurplus() {
    if (last_ - first_ < kQueuePlaces && bytes_ <= kMaxBytes) return {};
    return TakeOldest();
  }

  // Any block, the oldest first; NULL: it is empty.
  Entry TakeOldest() {
    if (first_ != last_) {
      const Entry oldest = queue_[first_++ % kQueuePlaces];
      bytes_ -= oldest.bytes;
      return oldest;
    }
    if (bytes_ == 0) return {};
    for (Entry& entry : random_) {
      if (entry.ptr == nullptr) continue;
      const Entry taken = Exchange(&entry, {});
      bytes_ -= taken.bytes;
      return taken;
    }
    return {};
  }

  // Calls visit(entry) for each block that is in.
  template <typename Visit>
  void VisitAll(Visit visit) const {
    for (const Entry& entry : random_) {
      if (entry.ptr != nullptr) visit(entry);
    }
    for (size_t i = first_; i != last_; ++i) visit(queue_[i % kQueuePlaces]);
  }

  // Where random places begin: another one in each thread.
  void Seed(uint64_t seed) { state_ = seed | 1; }
  bool is_seeded() const { return state_ != 0; }

  size_t bytes() const { return bytes_; }

 private:
  static Entry Exchange(Entry* place, Entry entry) {
    const Entry before = *place;
    *place = entry;
    return before;
  }
  // Marsaglia, "Xorshift RNGs", 2003; the product's high bits are the number.
  size_t NextRandom() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<size_t>((state_ * 0x2545f4914f6cdd1dULL) >> 40);
  }

  uint64_t state_ = 0;
  size_t bytes_ = 0;
  size_t first_ = 0;  // of the queue: counted on for ever
  size_t last_ = 0;
  Entry random_[kRandomPlaces] = {};
  Entry queue_[kQueuePlaces] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_QUARANTINE_H_
