// What tests of programs ask for: sections in which a thread must not allocate,
// and requests that fail on purpose, of a thread or of an arena.
//
// A thread with either has no share at hand, so that all its requests come to
// the slow path, which asks here; the fast paths know nothing of it. An arena
// with a fault plan keeps its threads from their shares of it in the same way.
//
// Thread-safe, with the exceptions that the C API names.
#ifndef MYONLY_ALLOCATOR_RUNTIME_REQUEST_GATE_H_
#define MYONLY_ALLOCATOR_RUNTIME_REQUEST_GATE_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/block_heap.h"
#include "allocator/base/fault_plan.h"
#include "allocator/base/preset.h"
#include "allocator/base/status.h"
#include "allocator/guard/canary.h"
#include "allocator/threads/this_thread.h"
#include "allocator/threads/thread_state.h"

namespace myonly::internal {

class RequestGate {
 public:
  RequestGate() = delete;

  // Whether a request of this thread may be made. False: it shall fail with
  // kNoMemory; or it has aborted.
  static bool Admits(size_t size) {
    return ABSL_PREDICT_TRUE(this_thread.gated == nullptr) || Asks(size);
  }
  // The same for one to an arena of the program.
  ABSL_ATTRIBUTE_NOINLINE static bool AdmitsTo(Arena& arena, size_t size) {
    return Admits(size) && (ABSL_PREDICT_TRUE(!arena.faults().is_on()) ||
                            !arena.faults().Fails(Payload(size)));
  }

  // Whether requests to the arena are asked for at all.
  static bool AsksFor(Arena& arena) {
    return this_thread.gated != nullptr || arena.faults().is_on();
  }

  // A section that ends with the next LeaveSection, inner ones first.
  // kUnsupported: there are too many, or the thread can have no state.
  ABSL_ATTRIBUTE_COLD static Status EnterSection(bool aborts);
  ABSL_ATTRIBUTE_COLD static Status LeaveSection();

  // This thread's plan. kBusy: it has one; none, for the end.
  ABSL_ATTRIBUTE_COLD static Status BeginFaults(const FaultOptions& options);
  ABSL_ATTRIBUTE_COLD static Status EndFaults(uint64_t* failures);

  // The calling thread's state, gated or not.
  static ThreadState* OwnState() {
    return ABSL_PREDICT_TRUE(this_thread.gated == nullptr) ? this_thread.state
                                                           : this_thread.gated;
  }
  // Its end: it has its state back for the last time.
  ABSL_ATTRIBUTE_COLD static void Open();

 private:
  // What the program has asked for of `size` bytes: in the preset secure there
  // is a canary behind what may become a block.
  static size_t Payload(size_t size) {
    constexpr size_t kMost = BlockHeap::kMaxQuickRequest + Canary::kBytes;
    const bool has_canary =
        kIsSecure && size >= Canary::kBytes && size <= kMost;
    return has_canary ? size - Canary::kBytes : size;
  }

  ABSL_ATTRIBUTE_COLD static bool Asks(size_t size);
  // The gate of this thread, closed from now on; NULL: it can have none.
  ABSL_ATTRIBUTE_COLD static ThreadGate* Close();
  static void OpenIfUnused();
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_REQUEST_GATE_H_
