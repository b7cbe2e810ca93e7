// Sampled guard pages: of the requests to the default arena, one of so many on
// average gets a block of the guarded pool, and every misuse of that is caught
// with the stacks of who allocated it, who freed it and who came too late.
//
// Which requests, each thread decides for itself, by a counter that begins with
// a random number each time. Only what a thread with a state asks for is
// sampled, and only up to GuardedPool::kSlotBytes.
//
// Thread-safe. In presets without it nobody calls it, and it is linked into
// nothing.
#ifndef MYONLY_ALLOCATOR_RUNTIME_SAMPLING_H_
#define MYONLY_ALLOCATOR_RUNTIME_SAMPLING_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena_options.h"
#include "allocator/base/mutex.h"
#include "allocator/base/printer.h"
#include "allocator/guard/guarded_pool.h"

namespace myonly::internal {

class Sampling {
 public:
  Sampling() = delete;

  // One of `rate` requests, 0: none; in a pool of `slots`. At the process's
  // start; what was asked for before is not sampled.
  ABSL_ATTRIBUTE_COLD static void Start(size_t rate, size_t slots);

  // From now on the system is asked for pages only. Handlers of SIGSEGV that
  // the program sets later stand alone; threads have the number 0 in reports
  // if they have not been asked for theirs.
  ABSL_ATTRIBUTE_COLD static void PrepareForSandbox();

  // Counts a request of this thread. True: ask Allocate first.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static bool IsDue() {
    return ABSL_PREDICT_FALSE(--requests_left < 0);
  }
  // NULL: this one is not sampled after all.
  ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE static void* Allocate(
      size_t size, size_t alignment);

  // What follows is for addresses that the pool has.
  static bool Has(const void* ptr) { return pool_.Has(ptr); }
  ABSL_ATTRIBUTE_COLD static void Free(void* ptr);
  // The bytes of the block that begins there. False: there is none that is
  // live, which is reported.
  ABSL_ATTRIBUTE_COLD static bool SizeOf(const void* ptr, size_t* bytes);
  // As ReportMisuse, with the stacks.
  ABSL_ATTRIBUTE_COLD static void Report(const char* what, const void* ptr);
  // The block whose slot has the address, live or not. False: there is none.
  ABSL_ATTRIBUTE_COLD static bool BlockAt(const void* ptr,
                                          GuardedBlock* block) {
    return pool_.BlockAt(ptr, block);
  }

  // In `*slot` and above, the next live block.
  ABSL_ATTRIBUTE_COLD static bool NextLive(size_t* slot, GuardedBlock* block) {
    return pool_.NextLive(slot, block);
  }

  // What the default arena holds more because of it.
  ABSL_ATTRIBUTE_COLD static void AddStats(ArenaStats* stats);
  static GuardedPool::Figures figures() { return pool_.figures(); }

  static Mutex& mutex_for_fork() { return pool_.mutex_for_fork(); }
  ABSL_ATTRIBUTE_COLD static void ChildAfterFork();

 private:
  static bool Admits(size_t size, size_t alignment);

  static
      __attribute__((tls_model("initial-exec"))) __thread int32_t requests_left;
  static GuardedPool pool_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_SAMPLING_H_
