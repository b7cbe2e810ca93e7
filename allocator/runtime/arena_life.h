// Whether an arena is as it was before callbacks ran, which may reset it and
// destroy it.
#ifndef MYONLY_ALLOCATOR_RUNTIME_ARENA_LIFE_H_
#define MYONLY_ALLOCATOR_RUNTIME_ARENA_LIFE_H_

#include <cstdint>

#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/status.h"
#include "allocator/runtime/process_globals.h"

namespace myonly::internal {

class ArenaLife {
 public:
  // 0: the process heap, which is never reset.
  explicit ArenaLife(ArenaHandle handle) : handle_(handle) {
    const Arena* arena = Find().arena;
    if (arena != nullptr) resets_ = arena->resets();
  }
  // kBusy: it was reset.
  Status Look() const {
    if (handle_ == 0) return Status::kOk;
    const Found found = Find();
    if (found.arena == nullptr) return found.status;
    return found.arena->resets() == resets_ ? Status::kOk : Status::kBusy;
  }
  bool IsAsBefore() const { return Look() == Status::kOk; }

 private:
  struct Found {
    const Arena* arena;
    Status status;
  };
  Found Find() const {
    Found found = {nullptr, Status::kOk};
    if (handle_ != 0) {
      found.arena = process_globals.registry.Find(handle_, &found.status);
    }
    return found;
  }

  ArenaHandle handle_;
  uint32_t resets_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_ARENA_LIFE_H_
