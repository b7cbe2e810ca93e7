#include "allocator/threads/thread_state.h"

namespace myonly::internal {

SubHeap** ThreadState::PlaceFor(size_t slot, MetadataAllocator& metadata) {
  if (shares_ == nullptr) {
    shares_ = static_cast<SubHeap***>(
        metadata.Allocate(kSharePages * sizeof(SubHeap**)));
    if (shares_ == nullptr) return nullptr;
  }
  SubHeap**& page = shares_[slot / kSharesPerPage];
  if (page == nullptr) {
    page = static_cast<SubHeap**>(
        metadata.Allocate(kSharesPerPage * sizeof(SubHeap*)));
    if (page == nullptr) return nullptr;
  }
  return &page[slot % kSharesPerPage];
}

bool ThreadState::NoteRequest(uintptr_t arena_handle, uint32_t resets) {
  NewArena& arena = new_arenas_[arena_handle / 16 % kNewArenas];
  if (arena.handle != arena_handle || arena.resets != resets) {
    arena = {arena_handle, resets, 0};
  }
  return ++arena.requests > kRequestsBeforeShare;
}

void ThreadState::FreezeShares() {
  if (shares_ == nullptr) return;
  for (size_t i = 0; i < kSharePages; ++i) {
    if (shares_[i] == nullptr) continue;
    for (size_t j = 0; j < kSharesPerPage; ++j) {
      if (shares_[i][j] != nullptr) shares_[i][j]->Freeze();
    }
  }
}

}  // namespace myonly::internal
