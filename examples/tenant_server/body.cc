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
  void* data = myonly_arena_realloc(arena_, data_, capacity_bytes);
  if (data == nullptr) throw std::bad_alloc();
  data_ = static_cast<char*>(data);
  capacity_bytes_ = myonly_usable_size(data);
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
  myonly_free(std::exchange(data_, nullptr));
  size_bytes_ = 0;
  capacity_bytes_ = 0;
}

char* Body::MoveTo(myonly_arena* to) {
  if (size_bytes_ <= kLeastMovedBytes) return nullptr;
  // Gives the end of the block back where that can be done in place.
  myonly_try_resize(data_, size_bytes_, nullptr);
  capacity_bytes_ = myonly_usable_size(data_);
  const size_t unused_bytes = capacity_bytes_ - size_bytes_;
  if (unused_bytes > size_bytes_ / 4) return nullptr;
  if (myonly_arena_transfer(data_, to) != MYONLY_OK) return nullptr;
  size_bytes_ = 0;
  capacity_bytes_ = 0;
  return std::exchange(data_, nullptr);
}

}  // namespace myonly::tenant_server
