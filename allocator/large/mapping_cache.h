// Freed mappings that are kept resident for the next ones, in pieces: ranges of
// pages that the system has as one mapping each.
//
// Which pieces are kept is decided by size: the larger ones, within a budget
// that the caller names each time. What does not fit is handed back to be
// unmapped, once the caller has given its lock up.
//
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_LARGE_MAPPING_CACHE_H_
#define MYONLY_ALLOCATOR_LARGE_MAPPING_CACHE_H_

#include <cstddef>

namespace myonly::internal {

struct PageRange {
  char* start;
  size_t bytes;
};

class MappingCache {
 public:
  static constexpr size_t kMaxPieces = 32;
  // Where a piece may begin. One that moves to such an address, in as many
  // bytes, takes its page tables along, where others have entry after entry
  // copied and their translations forgotten.
  static constexpr size_t kPieceAlignment = size_t{2} << 20;
  // A smaller piece is not worth the mapping.
  static constexpr size_t kMinPieceBytes = kPieceAlignment;

  // What is to be unmapped: all that is kept, and what a caller adds.
  struct Surplus {
    void Add(PageRange range) {
      ranges[count++] = range;
      bytes += range.bytes;
    }
    PageRange ranges[2 * kMaxPieces];
    size_t count = 0;
    size_t bytes = 0;
  };

  constexpr MappingCache() = default;

  // Keeps as much of `range` as the budget allows.
  void Keep(PageRange range, size_t budget, Surplus* surplus);

  // Takes the smallest piece of at least `bytes` out, or if there is none the
  // largest one. Only aligned ones, and if `alignment` is more than a page only
  // whole ones. {NULL, 0}: there is none.
  PageRange Take(size_t bytes, size_t alignment);

  // Drops the smallest ones until at most `budget` bytes are kept; of the last
  // of them only the end, if it is large.
  void Trim(size_t budget, Surplus* surplus);

  size_t bytes() const { return bytes_; }
  size_t num_pieces() const { return num_pieces_; }

  // The sum of the pieces is bytes().
  bool Check() const;

 private:
  size_t Smallest() const;
  PageRange Remove(size_t index);

  PageRange pieces_[kMaxPieces] = {};
  size_t num_pieces_ = 0;
  size_t bytes_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_MAPPING_CACHE_H_
