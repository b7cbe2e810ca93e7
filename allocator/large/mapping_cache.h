// Freed mappings that are kept resident for the next ones, in pieces: ranges of
// pages that the system has as one mapping each, or as a part of one. Pieces of
// one mapping that meet are one piece again, so that blocks of changing sizes
// are cut and coalesced without a call of the system.
//
// Which pieces are kept is decided by size: the larger ones, within a budget
// that the caller names each time. What does not fit is handed back to be
// unmapped, once the caller has given its lock up.
//
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_LARGE_MAPPING_CACHE_H_
#define MYONLY_ALLOCATOR_LARGE_MAPPING_CACHE_H_

#include <cstddef>
#include <cstdint>

#include "allocator/base/sizes.h"

namespace myonly::internal {

// Less than 16 TiB. Small enough for two registers.
struct PageRange {
  PageRange() = default;
  PageRange(char* range_start, size_t bytes, uint32_t number)
      : start(range_start),
        pages(static_cast<uint32_t>(bytes / kPageSize)),
        mapping(number) {}
  size_t bytes() const { return size_t{pages} * kPageSize; }
  char* end() const { return start + bytes(); }

  char* start = nullptr;
  uint32_t pages = 0;
  uint32_t mapping = 0;  // the number of the system's mapping it is a part of
};

class MappingCache {
 public:
  static constexpr size_t kMaxPieces = 32;
  // What begins at such an address and moves to one, in as many bytes, takes
  // its page tables along, where others have entry after entry copied and their
  // translations forgotten.
  static constexpr size_t kPieceAlignment = size_t{2} << 20;
  // A smaller piece is not worth its place, unless it meets another.
  static constexpr size_t kMinPieceBytes = size_t{64} << 10;

  // What is to be unmapped: all that is kept, and what a caller adds.
  struct Surplus {
    void Add(PageRange range);
    PageRange ranges[2 * kMaxPieces];
    size_t count = 0;
    size_t bytes = 0;
  };

  constexpr MappingCache() = default;

  // Keeps as much of `range` as the budget allows, with what it meets.
  void Keep(PageRange range, size_t budget, Surplus* surplus);

  // Takes the smallest piece of at least `bytes` out that begins where
  // `alignment` says. {NULL, 0}: there is none.
  PageRange TakeEnough(size_t bytes, size_t alignment);

  // Takes the most that one piece has from a multiple of kPieceAlignment on,
  // but not less than that. {NULL, 0}: there is none.
  PageRange TakeMost();

  // Drops the smallest ones until at most `budget` bytes are kept; of the last
  // of them only the end, if it is large.
  void Trim(size_t budget, Surplus* surplus);

  // Whether one has some of [start, start + bytes).
  bool HasIn(const char* start, size_t bytes) const;

  size_t bytes() const { return bytes_; }
  size_t num_pieces() const { return num_pieces_; }

  // The sum of the pieces is bytes().
  bool Check() const;

 private:
  static size_t Fitting(PageRange range, size_t room);
  size_t Smallest() const;
  PageRange Remove(size_t index);
  void Insert(PageRange range);
  // Removes what ends where `range` begins, or begins where it ends, of the
  // same mapping. Returns all of it.
  PageRange Coalesce(PageRange range);

  PageRange pieces_[kMaxPieces] = {};
  size_t num_pieces_ = 0;
  size_t bytes_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_MAPPING_CACHE_H_
