// What one thread owns of the process's heap: its share of the default arena,
// the queue of what others have freed of it, and what it has freed of others
// and not posted yet.
//
// Never unmapped: a dead thread's state is adopted whole by a later one, with
// its slabs and its token, so that no descriptor is rewritten. Its address is
// its token.
//
// Only its thread calls these, but for Post and those marked so.
#ifndef MYONLY_ALLOCATOR_THREADS_THREAD_STATE_H_
#define MYONLY_ALLOCATOR_THREADS_THREAD_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/status.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/threads/remote_free_batch.h"
#include "allocator/threads/remote_free_queue.h"

namespace myonly::internal {

class ThreadState {
 public:
  ThreadState(Arena& arena, RunPool& runs, HugeMappings& huge,
              uint64_t (*seed)())
      : runs_(runs),
        heap_(arena, runs, huge, seed, reinterpret_cast<uintptr_t>(this)) {
    heap_.MoveLists(parked_lists_);
  }
  ThreadState(const ThreadState&) = delete;
  ThreadState& operator=(const ThreadState&) = delete;

  SubHeap& heap() { return heap_; }
  uintptr_t token() const { return heap_.token(); }

  // A thread takes it, with the lists of objects in `lists`; and gives it up.
  void Attach(Object** lists) { heap_.MoveLists(lists); }
  void Detach() {
    PostBatch();
    heap_.MoveLists(parked_lists_);
    heap_.Publish();
  }

  // The slow paths of allocating: what others have freed comes home first.
  void* AllocateSmall(size_t size, Status* status) {
    ExchangeRemote();
    return heap_.AllocateSmall(size, status);
  }
  void* AllocateBlock(size_t size, Status* status) {
    ExchangeRemote();
    return heap_.AllocateBlock(size, status);
  }
  void* AllocateAligned(size_t size, size_t alignment, Status* status) {
    ExchangeRemote();
    return heap_.AllocateBlockSlow(size, alignment, status);
  }

  // Frees an object of another thread's slab.
  void FreeRemote(Slice* slab, void* object) { batch_.Add(slab, object, Post); }

  // Hands a chain to the thread whose slab or region `slice` is. By any thread.
  static void Post(Slice* slice, const RemoteChain& chain);

  // Posts what waits here, and takes in some of what others have posted.
  void ExchangeRemote() {
    PostBatch();
    if (ABSL_PREDICT_FALSE(!queue_.empty())) TakeIn(kMaxTakenIn);
  }
  // Takes in all that others have posted so far.
  void TakeInAll() { TakeIn(SIZE_MAX); }

  // Gives back what can be given back; returns the bytes purged inside blocks.
  size_t Purge() {
    PostBatch();
    TakeInAll();
    return heap_.Purge();
  }

 private:
  friend class ThreadRegistry;

  // The registry's, under its lock but for reading.
  enum class Phase : uint8_t {
    kLive,    // a thread has it
    kOrphan,  // waits for one
    kFrozen,  // its thread was lost in a fork, perhaps in the midst of a call
  };

  // Chains per slow path, so that no call takes long.
  static constexpr size_t kMaxTakenIn = 256;

  void PostBatch() { batch_.PostAll(Post); }
  void TakeIn(size_t chains);

  RunPool& runs_;
  std::atomic<Phase> phase_{Phase::kLive};
  ThreadState* next_ = nullptr;         // of all
  ThreadState* next_orphan_ = nullptr;  // of orphans
  uint64_t orphan_since_ms_ = 0;
  bool trimmed_ = false;
  // On a line of its own: others write it.
  alignas(64) RemoteFreeQueue queue_;
  alignas(64) RemoteFreeBatch batch_;
  Object* parked_lists_[kNumSizeClasses] = {};
  SubHeap heap_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_THREAD_STATE_H_
