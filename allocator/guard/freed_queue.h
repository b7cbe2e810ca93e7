// Freed blocks of the debug preset that are not to be used again yet, of all
// threads: first in, first out. Bounded by kPlaces blocks and, but for the last
// one, kMaxBytes.
//
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_GUARD_FREED_QUEUE_H_
#define MYONLY_ALLOCATOR_GUARD_FREED_QUEUE_H_

#include <cstddef>

namespace myonly::internal {

class FreedQueue {
 public:
  static constexpr size_t kPlaces = 8192;  // a power of two
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  struct Entry {
    void* ptr;  // NULL: none
    size_t bytes;
  };

  constexpr FreedQueue() = default;

  // What has to leave for `entry`; its place is NULL if nothing has.
  Entry Put(Entry entry) {
    const Entry oldest = IsFull() ? TakeOldest() : Entry{};
    bytes_ += entry.bytes;
    entries_[last_++ % kPlaces] = entry;
    return oldest;
  }
  // The oldest one, if there are too many bytes.
  Entry TakeSurplus() { return bytes_ > kMaxBytes ? TakeOldest() : Entry{}; }
  Entry TakeOldest() {
    while (first_ != last_) {
      const Entry oldest = entries_[first_++ % kPlaces];
      if (oldest.ptr == nullptr) continue;
      bytes_ -= oldest.bytes;
      return oldest;
    }
    return {};
  }

  // One after the other, and then again; NULL: it is empty.
  Entry* Next() {
    if (first_ == last_) return nullptr;
    if (next_ - first_ >= last_ - first_) next_ = first_;
    return &entries_[next_++ % kPlaces];
  }
  // Of Next: it leaves, and its place is NULL.
  void Remove(Entry* entry) {
    bytes_ -= entry->bytes;
    *entry = {};
  }

 private:
  bool IsFull() const { return last_ - first_ == kPlaces; }

  size_t bytes_ = 0;
  size_t first_ = 0;  // counted on for ever
  size_t last_ = 0;
  size_t next_ = 0;
  Entry entries_[kPlaces] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_FREED_QUEUE_H_
