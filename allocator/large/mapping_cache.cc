#include "allocator/large/mapping_cache.h"

#include <cstdint>

#include "allocator/base/sizes.h"

namespace myonly::internal {

void MappingCache::Surplus::Add(PageRange range) {
  ranges[count++] = range;
  bytes += range.bytes();
}

void MappingCache::Keep(PageRange range, size_t budget, Surplus* surplus) {
  const size_t kept = Fitting(range, budget - Min(budget, bytes_));
  if (kept == 0) return surplus->Add(range);
  const PageRange whole = Coalesce({range.start, kept, range.mapping});
  if (kept < range.bytes()) {
    surplus->Add({range.start + kept, range.bytes() - kept, range.mapping});
  }
  if (whole.bytes() < kMinPieceBytes) return surplus->Add(whole);
  if (num_pieces_ == kMaxPieces) {
    const size_t smallest = Smallest();
    if (pieces_[smallest].bytes() >= whole.bytes()) return surplus->Add(whole);
    surplus->Add(Remove(smallest));
  }
  Insert(whole);
}

// What of `range` may be kept in `room`: all of it, or what is before a
// multiple of kPieceAlignment, as cutting a huge page costs its split.
size_t MappingCache::Fitting(PageRange range, size_t room) {
  if (range.bytes() <= room) return range.bytes();
  const auto start = reinterpret_cast<uintptr_t>(range.start);
  const uintptr_t end = AlignDown(start + room, kPieceAlignment);
  return end - Min(end, start);
}

PageRange MappingCache::Coalesce(PageRange range) {
  for (size_t i = num_pieces_; i-- > 0;) {
    const PageRange piece = pieces_[i];
    if (piece.mapping != range.mapping) continue;
    const bool is_before = piece.end() == range.start;
    if (!is_before && range.end() != piece.start) continue;
    Remove(i);
    if (is_before) range.start = piece.start;
    range.pages += piece.pages;
  }
  return range;
}

bool MappingCache::HasIn(const char* start, size_t bytes) const {
  for (size_t i = 0; i < num_pieces_; ++i) {
    if (pieces_[i].start < start + bytes && start < pieces_[i].end()) {
      return true;
    }
  }
  return false;
}

PageRange MappingCache::TakeEnough(size_t bytes, size_t alignment) {
  size_t best = kMaxPieces;
  for (size_t i = 0; i < num_pieces_; ++i) {
    const size_t has = pieces_[i].bytes();
    if (has >= bytes &&
        IsAligned(reinterpret_cast<uintptr_t>(pieces_[i].start), alignment) &&
        (best == kMaxPieces || has < pieces_[best].bytes())) {
      best = i;
    }
  }
  return best == kMaxPieces ? PageRange{} : Remove(best);
}

PageRange MappingCache::TakeMost() {
  const auto bytes_before = [](const PageRange& piece) {
    const auto start = reinterpret_cast<uintptr_t>(piece.start);
    return AlignUp(start, kPieceAlignment) - start;
  };
  size_t best = kMaxPieces;
  size_t most = kPieceAlignment - 1;
  for (size_t i = 0; i < num_pieces_; ++i) {
    const size_t before = bytes_before(pieces_[i]);
    if (pieces_[i].bytes() <= before + most) continue;
    best = i;
    most = pieces_[i].bytes() - before;
  }
  if (best == kMaxPieces) return PageRange{};
  const PageRange piece = Remove(best);
  const size_t before = piece.bytes() - most;
  if (before != 0) Insert({piece.start, before, piece.mapping});
  return {piece.start + before, most, piece.mapping};
}

void MappingCache::Trim(size_t budget, Surplus* surplus) {
  while (num_pieces_ != 0 && bytes_ > budget) {
    // Of the last one what is within the budget stays.
    Keep(Remove(Smallest()), budget, surplus);
  }
}

size_t MappingCache::Smallest() const {
  size_t smallest = 0;
  for (size_t i = 1; i < num_pieces_; ++i) {
    if (pieces_[i].bytes() < pieces_[smallest].bytes()) smallest = i;
  }
  return smallest;
}

PageRange MappingCache::Remove(size_t index) {
  const PageRange range = pieces_[index];
  pieces_[index] = pieces_[--num_pieces_];
  bytes_ -= range.bytes();
  return range;
}

void MappingCache::Insert(PageRange range) {
  pieces_[num_pieces_++] = range;
  bytes_ += range.bytes();
}

bool MappingCache::Check() const {
  size_t bytes = 0;
  for (size_t i = 0; i < num_pieces_; ++i) bytes += pieces_[i].bytes();
  return bytes == bytes_ && num_pieces_ <= kMaxPieces;
}

}  // namespace myonly::internal
