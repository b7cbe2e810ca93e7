#include "allocator/large/mapping_cache.h"

#include <cstdint>

#include "allocator/base/sizes.h"

namespace myonly::internal {

void MappingCache::Keep(PageRange range, size_t budget, Surplus* surplus) {
  if (num_pieces_ == kMaxPieces) {
    const size_t smallest = Smallest();
    if (pieces_[smallest].bytes >= range.bytes) {
      surplus->Add(range);
      return;
    }
    surplus->Add(Remove(smallest));
  }
  const size_t room = AlignDown(budget - Min(budget, bytes_), kPageSize);
  const size_t kept = Min(range.bytes, room);
  if (kept < kMinPieceBytes) {
    surplus->Add(range);
    return;
  }
  if (kept < range.bytes) {
    surplus->Add({range.start + kept, range.bytes - kept});
  }
  pieces_[num_pieces_++] = {range.start, kept};
  bytes_ += kept;
}

PageRange MappingCache::Take(size_t bytes, size_t alignment) {
  size_t best = kMaxPieces;
  for (size_t i = 0; i < num_pieces_; ++i) {
    const size_t has = pieces_[i].bytes;
    if (has < bytes && alignment > kPageSize) continue;
    if (!IsAligned(reinterpret_cast<uintptr_t>(pieces_[i].start), alignment)) {
      continue;
    }
    if (best == kMaxPieces) {
      best = i;
      continue;
    }
    const size_t best_has = pieces_[best].bytes;
    if (best_has < bytes ? has > best_has : has >= bytes && has < best_has) {
      best = i;
    }
  }
  return best == kMaxPieces ? PageRange{} : Remove(best);
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
    if (pieces_[i].bytes < pieces_[smallest].bytes) smallest = i;
  }
  return smallest;
}

PageRange MappingCache::Remove(size_t index) {
  const PageRange range = pieces_[index];
  pieces_[index] = pieces_[--num_pieces_];
  bytes_ -= range.bytes;
  return range;
}

bool MappingCache::Check() const {
  size_t bytes = 0;
  for (size_t i = 0; i < num_pieces_; ++i) bytes += pieces_[i].bytes;
  return bytes == bytes_ && num_pieces_ <= kMaxPieces;
}

}  // namespace myonly::internal
