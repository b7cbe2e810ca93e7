// What an arena with memory of its own stands on: its own pages and runs, in a
// buffer that the program gives or over functions of the program. Everything is
// in here, the arena included; beside it there are only its slot in the
// registry and the addresses it has, by which free finds it.
#ifndef MYONLY_ALLOCATOR_ARENA_OWN_GROUND_H_
#define MYONLY_ALLOCATOR_ARENA_OWN_GROUND_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/arena/arena.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/given_page_source.h"

namespace myonly::internal {

struct OwnGround {
  ABSL_ATTRIBUTE_COLD OwnGround(const GivenPageSource& source,
                                HugeMappings& huge, uint64_t (*seed)())
      : pages(source), runs(pages), arena(Arena::Make(runs, huge, seed)) {
    runs.KeepEverything();
    arena.set_ground(this);
  }

  GivenPageSource pages;
  RunPool runs;
  Arena arena;
  void* ranges = nullptr;    // whoever registers its addresses: which it has
  bool is_metadata = false;  // not in the program's buffer
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_OWN_GROUND_H_
