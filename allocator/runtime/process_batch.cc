// Many blocks with one call. A list's objects are taken one after the other
// without looking for the list each time.

#include "absl/base/optimization.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/runtime/process_heap.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/threads/this_thread.h"

namespace myonly::internal {
namespace {

size_t TakeObjects(Object** list, void** out, size_t count) {
  const uintptr_t token = this_thread.token;
  Object* first = *list;
  size_t made = 0;
  while (made < count) {
    void* ptr = Slab::TakeFirst(&first, token);
    if (ptr == nullptr) break;
    out[made++] = ptr;
  }
  *list = first;
  return made;
}

// Where the objects of this arena wait, for this thread; NULL: nowhere.
Object** ListOf(ArenaHandle handle, size_t size_class) {
  if (size_class >= kNumSizeClasses) return nullptr;
  if (handle == 0) {
    return this_thread.state == nullptr ? nullptr
                                        : &this_thread.lists[size_class];
  }
  ShareFront& share = *this_thread.recent_shares[ArenaRegistry::SlotOf(handle) %
                                                 ThisThread::kRecentShares];
  return share.handle == handle ? &share.lists[size_class] : nullptr;
}

}  // namespace

ABSL_ATTRIBUTE_COLD size_t ProcessHeap::AllocateBatch(ArenaHandle handle,
                                                      size_t size, void** out,
                                                      size_t count) {
  const size_t size_class =
      size > kMaxSlabRequest ? kNumSizeClasses : SizeClassFor(size);
  size_t made = 0;
  while (made < count) {
    Object** list = ListOf(handle, size_class);
    if (list != nullptr) {
      made += TakeObjects(list, out + made, count - made);
      if (made == count) break;
    }
    void* ptr = handle == 0 ? Allocate(size) : AllocateIn(handle, size);
    if (ABSL_PREDICT_FALSE(ptr == nullptr)) break;
    out[made++] = ptr;
  }
  return made;
}

void ProcessHeap::FreeBatch(void** ptrs, size_t count) {
  for (size_t i = 0; i < count; ++i) Free(ptrs[i]);
}

}  // namespace myonly::internal
