// A small heap of its own over pages that fail when told to, with a record of
// every block: what a fault scenario works on.
//
// Calls that fail must fail in the one way that is allowed; contents and
// invariants are checked at once then. Expectations are GoogleTest's.
#ifndef MYONLY_TESTS_FAULT_SCENE_H_
#define MYONLY_TESTS_FAULT_SCENE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/status.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/page_source.h"
#include "tests/arena/ground.h"

namespace myonly::internal {

// Counts what is held for use, apart from mere addresses.
class CountingPages final : public PageSource {
 public:
  explicit CountingPages(FakePageSource& fake) : fake_(fake) {}

  void* Reserve(size_t bytes, size_t alignment, Access access) override;
  bool Commit(void* start, size_t bytes) override;
  bool Decommit(void* start, size_t bytes) override;
  bool Purge(void* start, size_t bytes) override;
  bool Release(void* start, size_t bytes) override;
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override;
  bool Move(void* start, size_t bytes, void* target) override;
  size_t ReservationLimit() const override;

  // Held and usable at once, without mappings that were made to fault.
  size_t usable_bytes() const;
  // Held as addresses, of which no part was ever made usable.
  size_t unused_address_bytes() const;
  // Bytes that could not be released when asked for.
  size_t stuck_bytes() const { return stuck_bytes_; }

 private:
  struct Addresses {
    size_t bytes;
    bool used;
  };

  FakePageSource& fake_;
  // Those with `start`, or the end.
  std::map<void*, Addresses>::iterator Find(void* start);

  std::map<void*, Addresses> addresses_;
  std::map<void*, size_t> faulting_;  // of others
  size_t stuck_bytes_ = 0;
};

class Scene {
 public:
  // `reservation_bytes`: small, and several reservations are needed.
  explicit Scene(size_t reservation_bytes);

  FakePageSource& fake() { return fake_; }
  Ground& ground() { return ground_; }
  Arena& arena() { return arena_; }
  size_t num_blocks() const { return blocks_.size(); }

  // Each records the block under the next index, or nothing on failure.
  bool Allocate(size_t size) { return AllocateFrom(arena_, size); }
  bool AllocateFrom(Arena& arena, size_t size);
  bool AllocateZeroed(size_t size);
  bool AllocateAligned(size_t size, size_t alignment);
  // On failure the block stays as it was.
  bool Reallocate(size_t index, size_t size);
  void Free(size_t index);
  void FreeAll();

  // An arena of the registry. NULL on failure.
  Arena* CreateArena();
  void ResetArena(Arena* arena);
  void DestroyArena(Arena* arena);

  void Purge();

  // Contents of all blocks, invariants of all arenas.
  void Check();
  // Every kind of allocation works.
  void ExpectWorks();
  // Destroys all arenas, gives everything back, and expects that nothing is
  // held any more but the allocator's own tables.
  void ExpectNothingLeaks();

 private:
  struct Block {
    char* start;
    size_t bytes;
    uint32_t tag;
    Arena* arena;
  };

  bool Record(Arena& arena, void* ptr, size_t size, Status status);
  void ExpectContents(const Block& block, size_t bytes);
  void DropBlocksOf(Arena* arena);

  FakePageSource fake_;
  CountingPages pages_;
  Ground ground_;
  ArenaRegistry registry_;
  Arena arena_;
  std::vector<Arena*> created_;
  std::vector<Block> blocks_;
  uint32_t next_tag_ = 1;
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_FAULT_SCENE_H_
