#include "allocator/guard/memory_maps.h"

#include <fcntl.h>

#include "allocator/base/system_call.h"

namespace myonly::internal {

MemoryMaps::MemoryMaps() {
  constexpr char kPath[] = "/proc/self/maps";
  fd_ = SystemCall(
      SystemCallNumber::kOpenAt, static_cast<unsigned long>(AT_FDCWD),
      reinterpret_cast<unsigned long>(kPath), O_RDONLY | O_CLOEXEC);
}

MemoryMaps::~MemoryMaps() {
  if (SystemCallFailed(fd_)) return;
  SystemCall(SystemCallNumber::kClose, static_cast<unsigned long>(fd_));
}

// start-end rwxp offset major:minor inode   path
bool MemoryMaps::Read(MemoryMap* map) {
  map->start = Number(16, '-');
  map->end = Number(16, ' ');
  map->is_readable = Get() == 'r';
  map->is_writable = Get() == 'w';
  Skip(' ');
  map->offset = Number(16, ' ');
  Skip(' ');
  map->inode = Number(10, ' ');
  size_t length = 0;
  for (char c = Get(); c != '\n' && !is_at_end_; c = Get()) {
    if (c == ' ' && length == 0) continue;
    if (length < sizeof(map->path) - 1) map->path[length++] = c;
  }
  map->path[length] = '\0';
  return !is_at_end_;
}

uint64_t MemoryMaps::Number(unsigned base, char end) {
  uint64_t number = 0;
  for (char c = Get(); c != end && !is_at_end_; c = Get()) {
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    number = number * base + static_cast<unsigned>(digit);
  }
  return number;
}

void MemoryMaps::Skip(char end) {
  while (Get() != end && !is_at_end_) continue;
}

char MemoryMaps::Get() {
  if (next_ == size_ && !Fill()) return '\n';
  return buffer_[next_++];
}

bool MemoryMaps::Fill() {
  next_ = 0;
  size_ = 0;
  const long got =
      SystemCallFailed(fd_)
          ? -1
          : SystemCall(SystemCallNumber::kRead, static_cast<unsigned long>(fd_),
                       reinterpret_cast<unsigned long>(buffer_),
                       sizeof(buffer_));
  if (got > 0) size_ = static_cast<size_t>(got);
  is_at_end_ = got <= 0;
  return got > 0;
}

}  // namespace myonly::internal
