// What arenas stand on, and the way from an address to its arena: the process
// heap in small, over any page source, as often as a test wants.
#ifndef MYONLY_TESTS_ARENA_GROUND_H_
#define MYONLY_TESTS_ARENA_GROUND_H_

#include <cstddef>
#include <cstdint>

#include "allocator/arena/arena.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

// Equal runs are easier to understand than safe ones.
inline uint64_t TestSeed() { return 0x1234567890abcdef; }

class Ground {
 public:
  explicit Ground(PageSource& pages)
      : metadata_(pages), runs_(pages), huge_(pages, metadata_) {}

  MetadataAllocator& metadata() { return metadata_; }
  RunPool& runs() { return runs_; }
  HugeMappings& huge() { return huge_; }

  // Of arenas and, by the thread whose they are, of shares.
  void Free(void* ptr);
  size_t UsableSize(void* ptr);
  // In place; a mapping may move. False: nothing changed.
  bool Resize(void** ptr, size_t size, bool may_move);
  // In place or by moving within its arena, as realloc. NULL: `ptr` is as it
  // was, `*status` says why.
  void* Reallocate(void* ptr, size_t size, Status* status);
  // Whether a thread's share has it; those are not resized here.
  bool IsOfShare(void* ptr);
  // NULL if no live run or mapping has `ptr`.
  Arena* OwnerOf(void* ptr);

  // Every invariant of `arena`, and those of the pools (which die).
  bool Check(Arena& arena);

 private:
  MetadataAllocator metadata_;
  RunPool runs_;
  HugeMappings huge_;
};

// Writes all of [ptr, ptr + bytes) in a pattern that `tag` chooses; tells
// whether it is still there.
void Fill(void* ptr, size_t bytes, uint32_t tag);
bool IsFilled(const void* ptr, size_t bytes, uint32_t tag);
bool IsZero(const void* ptr, size_t bytes);

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_ARENA_GROUND_H_
