// What is mapped in this process, line by line from /proc/self/maps, without
// allocating. Not thread-safe: make one for each look.
#ifndef MYONLY_ALLOCATOR_GUARD_MEMORY_MAPS_H_
#define MYONLY_ALLOCATOR_GUARD_MEMORY_MAPS_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

struct MemoryMap {
  uintptr_t start;
  uintptr_t end;
  bool is_readable;
  bool is_writable;
  uint64_t offset;  // in its file
  uint64_t inode;   // 0: of no file
  char path[384];   // "": none; cut if it is longer

  bool Has(uintptr_t address) const { return address - start < end - start; }
};

class MemoryMaps {
 public:
  MemoryMaps();
  MemoryMaps(const MemoryMaps&) = delete;
  MemoryMaps& operator=(const MemoryMaps&) = delete;
  ~MemoryMaps();

  // The next one. False: there are no more, or there is no /proc.
  bool Read(MemoryMap* map);

 private:
  uint64_t Number(unsigned base, char end);
  void Skip(char end);
  char Get();
  bool Fill();

  long fd_;
  bool is_at_end_ = false;
  size_t next_ = 0;
  size_t size_ = 0;
  char buffer_[1024];
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_MEMORY_MAPS_H_
