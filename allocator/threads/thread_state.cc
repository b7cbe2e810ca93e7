#include "allocator/threads/thread_state.h"

namespace myonly::internal {

void ThreadState::Post(Slice* slice, const RemoteChain& chain) {
  auto* heap = static_cast<SubHeap*>(slice->owner);
  reinterpret_cast<ThreadState*>(heap->token())->queue_.Push(chain);
}

void ThreadState::TakeIn(size_t chains) {
  RemoteChain chain;
  for (size_t i = 0; i < chains && queue_.Pop(&chain); ++i) {
    Slice* slice = runs_.Find(chain.first);
    if (slice->kind == RunKind::kSlab) {
      heap_.FreeChain(slice, chain.first, chain.last, chain.count);
    } else {
      heap_.FreePostedBlock(slice, chain.first);
    }
  }
}

}  // namespace myonly::internal
