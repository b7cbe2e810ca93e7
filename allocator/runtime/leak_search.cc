#include "allocator/runtime/leak_search.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/system_call.h"
#include "allocator/runtime/debug_globals.h"

namespace myonly::internal {

#ifdef MYONLY_PRESET_SECURE

namespace {

DebugGlobals& d = debug_globals;
ProcessGlobals& g = process_globals;

// What is read at once: from one page, as others may fault.
constexpr size_t kWordsPerRead = kPageSize / sizeof(uintptr_t);

// Reads memory that may fault, or be unmapped meanwhile. The bytes that were
// read; negative: why there were none.
long ReadMemory(uintptr_t start, size_t bytes, uintptr_t* words) {
  const iovec from = {reinterpret_cast<void*>(start), bytes};
  const iovec to = {words, bytes};
  return SystemCall(
      SystemCallNumber::kProcessVmReadV,
      static_cast<unsigned long>(SystemCall(SystemCallNumber::kGetPid)),
      reinterpret_cast<unsigned long>(&to), 1,
      reinterpret_cast<unsigned long>(&from), 1, 0);
}

}  // namespace

LeakSearch::~LeakSearch() {
  if (blocks_ != nullptr) g.pages.Release(blocks_, bytes_);
}

bool LeakSearch::Run() {
  uintptr_t probe = 0;
  if (!Prepare() ||
      SystemCallFailed(ReadMemory(reinterpret_cast<uintptr_t>(&count_),
                                  sizeof(probe), &probe))) {
    return false;
  }
  for (size_t i = 0; i < count_; ++i) {
    if (blocks_[i]->is_of_arena) MarkSeen(i);
  }
  bool has_maps = false;
  MemoryMap map;
  for (MemoryMaps maps; maps.Read(&map); has_maps = true) {
    // Reading a device may do anything.
    if (!map.is_writable || strncmp(map.path, "/dev/", 5) == 0) continue;
    ScanMap(map);
  }
  while (found_count_ != 0) {
    const BlockRecord* block = blocks_[found_[--found_count_]];
    ScanWords(block->start, block->start + block->size);
  }
  return has_maps;
}

// The live records, by address.
bool LeakSearch::Prepare() {
  size_t count = 0;
  d.history.VisitAll(
      [&count](BlockRecord* record) { count += record->is_live; });
  bytes_ = AlignUp(count * (sizeof(*blocks_) + sizeof(*found_)) + 1, kPageSize);
  blocks_ = static_cast<BlockRecord**>(
      g.pages.Reserve(bytes_, kPageSize, PageSource::Access::kReadWrite));
  if (blocks_ == nullptr) return false;
  found_ = reinterpret_cast<uint32_t*>(blocks_ + count);
  d.history.VisitAll([this](BlockRecord* record) {
    record->is_seen = false;
    if (record->is_live) blocks_[count_++] = record;
  });
  std::sort(blocks_, blocks_ + count_,
            [](const BlockRecord* a, const BlockRecord* b) {
              return a->start < b->start;
            });
  return true;
}

void LeakSearch::ScanMap(const MemoryMap& map) {
  uintptr_t start = map.start;
  // Below the stack pointer nothing is alive.
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (map.Has(here)) start = here / sizeof(start) * sizeof(start);
  while (start < map.end) {
    const uintptr_t page_end = AlignUp(start + 1, kPageSize);
    const uintptr_t own_end = EndOfOwn(start);
    if (own_end == 0) ScanWords(start, Min(page_end, map.end));
    start = Max(page_end, own_end);
  }
}

// Where the memory of this library that has an address ends; 0: it has not. Of
// blocks only what is found is looked through.
uintptr_t LeakSearch::EndOfOwn(uintptr_t page) const {
  const auto* address = reinterpret_cast<const void*>(page);
  if (g.runs.Find(address) != nullptr) {
    return page / kSliceSize * kSliceSize + kSliceSize;
  }
  const size_t index = IndexOf(page);
  if (index != count_) return blocks_[index]->start + blocks_[index]->size;
  uintptr_t end = 0;
  auto visit = [page, &end](const void* start, size_t bytes) {
    const auto from = reinterpret_cast<uintptr_t>(start);
    if (page - from < bytes) end = from + bytes;
  };
  visit(blocks_, bytes_);
  d.depot.VisitMemory(visit);
  d.history.VisitMemory(visit);
  return end;
}

void LeakSearch::ScanWords(uintptr_t start, uintptr_t end) {
  uintptr_t words[kWordsPerRead];
  while (start < end) {
    const uintptr_t page_end = AlignUp(start + 1, kPageSize);
    const size_t bytes = Min(page_end, end) - start;
    const long got = ReadMemory(start, bytes, words);
    if (got > 0) {
      const size_t count = static_cast<size_t>(got) / sizeof(uintptr_t);
      for (size_t i = 0; i < count; ++i) Note(words[i]);
    }
    start += bytes;
  }
}

void LeakSearch::Note(uintptr_t word) {
  if (count_ == 0 || word < blocks_[0]->start) return;
  const size_t index = IndexOf(word);
  if (index != count_) MarkSeen(index);
}

void LeakSearch::MarkSeen(size_t index) {
  if (blocks_[index]->is_seen) return;
  blocks_[index]->is_seen = true;
  found_[found_count_++] = static_cast<uint32_t>(index);
}

// The block that has the address; count_: none.
size_t LeakSearch::IndexOf(uintptr_t address) const {
  BlockRecord** behind = std::upper_bound(
      blocks_, blocks_ + count_, address,
      [](uintptr_t at, const BlockRecord* block) { return at < block->start; });
  if (behind == blocks_) return count_;
  const BlockRecord* block = behind[-1];
  return address - block->start < Max(size_t{block->size}, 1)
             ? static_cast<size_t>(behind - 1 - blocks_)
             : count_;
}

#endif

}  // namespace myonly::internal
