#include "allocator/slabs/slab_reader.h"

#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/slabs/slab.h"

namespace myonly::internal {

// The key is written last when a slab is opened, and first when it is given up.
SlabReader::SlabReader(const Slice* slice, char* start, const void* owner)
    : slice_(slice),
      start_(start),
      owner_(owner),
      key_(slice->key.Peek()),
      size_class_(Peek(slice->slab.size_class)) {
  if (key_ == Slice::kNoSlab || size_class_ == 0 ||
      size_class_ >= kNumSizeClasses) {
    size_class_ = 0;
    return;
  }
  token_ = Slab::TokenOf(key_, size_class_, start_);
  num_objects_ = CountCarved();
}

// A slab that has been carved to the end has fewer carved objects than that
// only while the bits of purged pages tell so; they are set before the count
// goes down and cleared after it has gone up.
size_t SlabReader::CountCarved() const {
  const size_t capacity = SlabCapacity(size_class_);
  size_t carved = 0;
  // Twice, for a slab that is swept and carved between two looks.
  for (int i = 0; i < 2; ++i) {
    carved = Peek(slice_->slab.carved);
    if (carved >= capacity || Peek(slice_->swept_pages) != 0) return capacity;
  }
  return carved;
}

bool SlabReader::IsSwept(size_t index) const {
  const unsigned pages = Peek(slice_->swept_pages);
  if (pages == 0) return false;
  const size_t offset = index * object_bytes();
  const size_t last = offset + object_bytes() - 1;
  return ((pages >> offset / kPageSize | pages >> last / kPageSize) & 1) != 0;
}

// A purged page has no marks: its bit is set before it is purged and cleared
// after the marks are there again.
bool SlabReader::IsLive(size_t index) const {
  if constexpr (!kChecksObjects) return !IsSwept(index);
  const auto* object = reinterpret_cast<const Object*>(At(index));
  return Peek(object->mark) != token_ && !IsSwept(index) &&
         Peek(object->mark) != token_;
}

size_t SlabReader::NumListed() const {
  Slice seen = {};
  seen.slab.needed = Peek(slice_->slab.needed);
  seen.slab.carved = Peek(slice_->slab.carved);
  seen.slab.state = Peek(slice_->slab.state);
  seen.slab.capacity = static_cast<uint16_t>(SlabCapacity(size_class_));
  seen.swept_base = Peek(slice_->swept_base);
  const size_t used = Slab::Used(&seen);
  return used < seen.slab.carved ? seen.slab.carved - used : 0;
}

bool SlabReader::IsSame() const {
  return slice_->kind.Peek() == RunKind::kSlab &&
         Peek(slice_->owner) == owner_ && slice_->key.Peek() == key_ &&
         Peek(slice_->slab.size_class) == size_class_;
}

}  // namespace myonly::internal
