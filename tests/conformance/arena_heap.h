// An arena over any page source, without the C API above it.
#ifndef MYONLY_TESTS_CONFORMANCE_ARENA_HEAP_H_
#define MYONLY_TESTS_CONFORMANCE_ARENA_HEAP_H_

#include <cstddef>

#include "allocator/arena/arena.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/page_source.h"
#include "tests/conformance/heap.h"

namespace myonly::testing {

// What arenas stand on. Pages of its reservations are the page source's to
// release.
class ArenaGround {
 public:
  explicit ArenaGround(internal::PageSource& pages)
      : metadata_(pages), runs_(pages), huge_(pages, metadata_) {}

  internal::RunPool& runs() { return runs_; }
  internal::HugeMappings& huge() { return huge_; }

 private:
  internal::MetadataAllocator metadata_;
  internal::RunPool runs_;
  internal::HugeMappings huge_;
};

class ArenaHeap final : public Heap {
 public:
  explicit ArenaHeap(ArenaGround& ground);
  // Every block must have been freed.
  ~ArenaHeap() override;

  void* Allocate(size_t size) override;
  void* AllocateZeroed(size_t count, size_t size) override;
  void* AllocateAligned(size_t alignment, size_t size) override;
  void* Reallocate(void* block, size_t size) override;
  void Free(void* block) override;
  size_t UsableSize(const void* block) override;
  bool Check() override;
  // That is for the layers above.
  bool SetsErrno() const override { return false; }

 private:
  bool Resize(void** block, size_t size);

  ArenaGround& ground_;
  internal::Arena arena_;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CONFORMANCE_ARENA_HEAP_H_
