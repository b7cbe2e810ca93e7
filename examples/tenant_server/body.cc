#include "examples/tenant_server/body.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace myonly::tenant_server {
namespace {

constexpr size_t kFirstBytes = 4096;
// Smaller blocks share their pages with others.
constexpr size_t kLeastMovedBytes = size_t{64} << 10;

}  // namespace

void Body::Reserve(size_t capacity_bytes) {
  if (capacity_bytes <= capacity_bytes_) return;
  void* data = arena_.reallocate(data_, capacity_bytes);
  if (data == nullptr) throw std::bad_alloc();
  data_ = static_cast<char*>(data);
  capacity_bytes_ = arena_ref::usable_size(data);
}

void Body::Append(const char* data, size_t size_bytes) {
  if (size_bytes > capacity_bytes_ - size_bytes_) {
    Reserve(std::max({kFirstBytes, size_bytes_ + size_bytes,
                      capacity_bytes_ + capacity_bytes_ / 2}));
  }
  std::memcpy(data_ + size_bytes_, data, size_bytes);
  size_bytes_ += size_bytes;
}

void Body::Clear() {
  arena_ref::deallocate(std::exchange(data_, nullptr));
  size_bytes_ = 0;
  capacity_bytes_ = 0;
}

char* Body::MoveTo(arena_ref to) {
  if (size_bytes_ <= kLeastMovedBytes) return nullptr;
  // Gives the end of the block back where that can be done in place.
  (void)arena_ref::try_resize(data_, size_bytes_);
  capacity_bytes_ = arena_ref::usable_size(data_);
  const size_t unused_bytes = capacity_bytes_ - size_bytes_;
  if (unused_bytes > size_bytes_ / 4) return nullptr;
  if (to.transfer_here(data_) != MYONLY_OK) return nullptr;
  size_bytes_ = 0;
  capacity_bytes_ = 0;
  return std::exchange(data_, nullptr);
}

}  // namespace myonly::tenant_server
