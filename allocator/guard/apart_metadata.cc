#include "allocator/guard/apart_metadata.h"

#include "allocator/base/guard_keys.h"
#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {
namespace {

constexpr size_t kGap = kSliceSize;  // without access, between two parts

size_t DescriptorBytes(size_t slices) {
  return AlignUp(slices * sizeof(Slice), kPageSize);
}
size_t MapBytes(size_t slices) {
  return AlignUp(LiveMap::BytesFor(slices * kSliceSize), kPageSize);
}

// So many pages at most are before the descriptors: addresses only.
size_t RandomPages(uintptr_t base, size_t slices) {
  const size_t most = Min(slices / 16 + 1, size_t{1} << 14);
  return MixBits(guard_keys.order ^ base) % most;
}

}  // namespace

bool ApartMetadata::Reserve(PageSource& pages, uintptr_t base, size_t slices) {
  const size_t before = RandomPages(base, slices) * kPageSize + kGap;
  const size_t descriptors = DescriptorBytes(slices);
  bytes_ = before + descriptors + kGap + MapBytes(slices) + kGap;
  start_ = pages.Reserve(bytes_, kPageSize, PageSource::Access::kNone);
  if (start_ == nullptr) return false;
  descriptors_end_ = reinterpret_cast<uintptr_t>(start_) + before + descriptors;
  live_.Set(base, reinterpret_cast<uint64_t*>(descriptors_end_ + kGap));
  return true;
}

void ApartMetadata::Release(PageSource& pages) {
  pages.Release(start_, bytes_);
  *this = ApartMetadata();
}

void ApartMetadata::Close(PageSource& pages, size_t slices) {
  char* start = static_cast<char*>(start_);
  char* first = reinterpret_cast<char*>(descriptors_end_) -
                DescriptorBytes(slices) - kGap;
  char* end = reinterpret_cast<char*>(descriptors_end_) + kGap +
              MapBytes(slices) + kGap;
  if (pages.Release(end, static_cast<size_t>(start + bytes_ - end))) {
    bytes_ = static_cast<size_t>(end - start);
  }
  if (pages.Release(start, static_cast<size_t>(first - start))) {
    bytes_ = static_cast<size_t>(end - first);
    start_ = first;
  }
}

bool ApartMetadata::Commit(PageSource& pages, size_t slices) {
  const size_t descriptors = DescriptorBytes(slices);
  return pages.Commit(reinterpret_cast<void*>(descriptors_end_ - descriptors),
                      descriptors) &&
         pages.Commit(reinterpret_cast<void*>(descriptors_end_ + kGap),
                      MapBytes(slices));
}

}  // namespace myonly::internal
