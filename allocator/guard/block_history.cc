#include "allocator/guard/block_history.h"

#include <cstring>

#include "allocator/base/sizes.h"
#include "allocator/base/treap.h"

namespace myonly::internal {
namespace {

constexpr size_t kFirstPlaces = 4096;

uintptr_t AddressOf(const void* start) {
  return reinterpret_cast<uintptr_t>(start);
}

}  // namespace

BlockRecord* BlockHistory::Find(const void* start) const {
  if (table_ == nullptr) return nullptr;
  BlockRecord* record = PlaceOf(table_, start);
  return record->start == 0 ? nullptr : record;
}

BlockRecord* BlockHistory::Add(const void* start) {
  if (table_ == nullptr && !Grow()) return nullptr;
  BlockRecord* record = PlaceOf(table_, start);
  if (record->start != 0) return record;
  // Between half and full: a table that can't grow is used up but for one
  // place, at which each search ends.
  if (count_ >= table_->places / 4 * 3 && Grow()) {
    record = PlaceOf(table_, start);
  } else if (count_ + 1 == table_->places) {
    return nullptr;
  }
  ++count_;
  record->start = AddressOf(start);
  return record;
}

bool BlockHistory::Peek(const void* start, BlockRecord* out) const {
  Table* table = __atomic_load_n(&table_, __ATOMIC_ACQUIRE);
  if (table == nullptr) return false;
  *out = *PlaceOf(table, start);
  return out->start == AddressOf(start);
}

BlockRecord* BlockHistory::PlaceOf(Table* table, const void* start) {
  const size_t mask = table->places - 1;
  size_t at = MixBits(AddressOf(start)) & mask;
  while (table->records[at].start != AddressOf(start) &&
         table->records[at].start != 0) {
    at = (at + 1) & mask;
  }
  return &table->records[at];
}

// A table of twice the places. False: there is no memory for it.
bool BlockHistory::Grow() {
  const size_t places = table_ == nullptr ? kFirstPlaces : 2 * table_->places;
  const size_t bytes = AlignUp(
      offsetof(Table, records) + places * sizeof(BlockRecord), kPageSize);
  auto* table = static_cast<Table*>(
      pages_.Reserve(bytes, kPageSize, PageSource::Access::kReadWrite));
  if (table == nullptr) return false;
  table->bytes = bytes;
  table->places = places;
  table->before = table_;
  VisitAll([table](const BlockRecord* record) {
    *PlaceOf(table, reinterpret_cast<const void*>(record->start)) = *record;
  });
  __atomic_store_n(&table_, table, __ATOMIC_RELEASE);
  return true;
}

}  // namespace myonly::internal
