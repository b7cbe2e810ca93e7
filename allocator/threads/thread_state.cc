#include "allocator/threads/thread_state.h"

#include "absl/base/attributes.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/threads/this_thread.h"

namespace myonly::internal {

ABSL_CONST_INIT ShareFront no_share = {ShareFront::kNoArena, {}};
// Looked for at another place than 0; no handle is odd.
ABSL_CONST_INIT ShareFront no_share_at_0 = {(1 << 4) | 1, {}};
static_assert(ArenaRegistry::SlotOf(ShareFront::kNoArena) == 0);
static_assert(ArenaRegistry::SlotOf((1 << 4) | 1) == 1);

SubHeap** ThreadState::PlaceFor(size_t slot, MetadataAllocator& metadata) {
  if (shares_ == nullptr) {
    shares_ = static_cast<SubHeap***>(
        metadata.Allocate(kSharePages * sizeof(SubHeap**)));
    if (shares_ == nullptr) return nullptr;
  }
  SubHeap**& page = shares_[slot / kSharesPerPage];
  if (page == nullptr) {
    page = static_cast<SubHeap**>(
        metadata.Allocate(kSharesPerPage * sizeof(void*)));
    if (page == nullptr) return nullptr;
  }
  return &page[slot % kSharesPerPage];
}

bool ThreadState::NoteRequest(uintptr_t arena_handle, uint32_t resets) {
  const size_t slot = ArenaRegistry::SlotOf(arena_handle);
  NewArena& arena = new_arenas_[slot % kNewArenas];
  if (arena.handle == arena_handle && arena.resets == resets) {
    return ++arena.requests > kRequestsBeforeShare;
  }
  const bool takes_turns =
      arena.handle != 0 && ArenaRegistry::SlotOf(arena.handle) != slot;
  arena = {arena_handle, resets, 1};
  if (!takes_turns || ++turns_ <= kRequestsBeforeShare) return false;
  turns_ = 0;
  return true;
}

void ThreadState::FreezeShares() {
  VisitShares([](SubHeap* share) { share->Freeze(); });
}

void ThreadState::ReleaseAsked() {
  VisitShares([](SubHeap* share) {
    if (share->is_asked()) share->arena().ReleaseSpareOf(share);
  });
}

}  // namespace myonly::internal
