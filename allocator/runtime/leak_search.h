// Which blocks the program has lost, at the end of the process in the debug
// preset: those to which no pointer leads, not even to their inside.
//
// A search from what the process has mapped for writing, stacks and globals,
// through the blocks that are found; anything that looks like a pointer is one.
// Other threads go on meanwhile. Blocks of arenas of the program are never
// lost: they go with their arena.
#ifndef MYONLY_ALLOCATOR_RUNTIME_LEAK_SEARCH_H_
#define MYONLY_ALLOCATOR_RUNTIME_LEAK_SEARCH_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/guard/block_history.h"
#include "allocator/guard/memory_maps.h"

namespace myonly::internal {

class LeakSearch {
 public:
  // The lock of debug_globals must be held all the time.
  LeakSearch() = default;
  LeakSearch(const LeakSearch&) = delete;
  LeakSearch& operator=(const LeakSearch&) = delete;
  ABSL_ATTRIBUTE_COLD ~LeakSearch();

  // Sets is_seen of each live record that is not lost. False: there is no
  // memory for that, or the system does not let us read.
  ABSL_ATTRIBUTE_COLD bool Run();

 private:
  bool Prepare();
  void ScanMap(const MemoryMap& map);
  uintptr_t EndOfOwn(uintptr_t page) const;
  void ScanWords(uintptr_t start, uintptr_t end);
  void Note(uintptr_t word);
  void MarkSeen(size_t index);
  size_t IndexOf(uintptr_t address) const;

  BlockRecord** blocks_ = nullptr;  // the live ones, by address
  uint32_t* found_ = nullptr;       // of these, which are to be looked through
  size_t count_ = 0;
  size_t found_count_ = 0;
  size_t bytes_ = 0;  // of both
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_LEAK_SEARCH_H_
