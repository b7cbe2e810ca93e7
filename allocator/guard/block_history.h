// What the debug preset knows of each address that has been a block: its size,
// who made it and who freed it, until the address is a block again.
//
// A hash table over the page source that only grows. Tables that became too
// small stay, as Peek may be reading them: together they are smaller than the
// one in use.
//
// Externally synchronised, but for Peek.
#ifndef MYONLY_ALLOCATOR_GUARD_BLOCK_HISTORY_H_
#define MYONLY_ALLOCATOR_GUARD_BLOCK_HISTORY_H_

#include <cstddef>
#include <cstdint>

#include "allocator/guard/stack_depot.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

struct BlockRecord {
  uintptr_t start;  // 0: the place is free
  size_t size : 48;
  size_t is_live : 1;
  size_t is_of_arena : 1;  // one of the program, which may drop it
  size_t is_of_new : 1;    // made by operator new, not by malloc's family
  size_t is_seen : 1;      // scratch of who searches for leaks
  StackDepot::Id made;
  StackDepot::Id freed;  // 0 while it is live

  static constexpr size_t kMaxSize = (size_t{1} << 48) - 1;
  void SetSize(size_t bytes) { size = bytes & kMaxSize; }
};

class BlockHistory {
 public:
  constexpr explicit BlockHistory(PageSource& pages) : pages_(pages) {}

  // The record of an address, until the next Add. NULL: it has none.
  BlockRecord* Find(const void* start) const;
  // The same; a new one if there is none. NULL: no memory for that.
  BlockRecord* Add(const void* start);
  // A copy of the record, by any thread and from a signal handler. What is
  // being changed may be old or new. False: none.
  bool Peek(const void* start, BlockRecord* out) const;

  // Calls visit(record) for each.
  template <typename Visit>
  void VisitAll(Visit visit) const {
    const Table* table = table_;
    if (table == nullptr) return;
    for (size_t i = 0; i < table->places; ++i) {
      BlockRecord* record = const_cast<BlockRecord*>(&table->records[i]);
      if (record->start != 0) visit(record);
    }
  }

  // Calls visit(start, bytes) for each piece of memory that it has.
  template <typename Visit>
  void VisitMemory(Visit visit) const {
    for (const Table* table = table_; table != nullptr; table = table->before) {
      visit(table, table->bytes);
    }
  }

 private:
  struct Table {
    size_t bytes;
    size_t places;  // a power of two
    Table* before;  // the one it replaces
    BlockRecord records[1];
  };

  // Where the record of an address is or would be.
  static BlockRecord* PlaceOf(Table* table, const void* start);
  bool Grow();

  PageSource& pages_;
  Table* table_ = nullptr;
  size_t count_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_BLOCK_HISTORY_H_
