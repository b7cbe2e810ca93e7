#include "allocator/runtime/background.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <cstdint>

#include "allocator/base/clock.h"
#include "allocator/base/system_call.h"
#include "allocator/runtime/process_heap.h"

namespace myonly::internal {
namespace {

constexpr long kIntervalNs = 100'000'000;

// System calls rather than libc's functions: each of those that nothing else
// here needs costs every process a relocation.
unsigned long Address(const void* ptr) {
  return reinterpret_cast<unsigned long>(ptr);
}

void SetSignalMask(const uint64_t* mask, uint64_t* before) {
  SystemCall(SystemCallNumber::kSigProcMask, SIG_SETMASK, Address(mask),
             Address(before), sizeof(*mask));
}

void* Run(void* /*unused*/) {
  SystemCall(SystemCallNumber::kPrctl, PR_SET_NAME, Address("myonlymalloc"));
  for (;;) {
    const timespec interval = {0, kIntervalNs};
    SystemCall(SystemCallNumber::kNanosleep, Address(&interval));
    ProcessHeap::PurgeIdle(CoarseMs());
  }
}

}  // namespace

bool StartBackground() {
  // The new thread has the mask of the one that makes it.
  const uint64_t all = ~uint64_t{0};
  uint64_t before = 0;
  SetSignalMask(&all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, Run, nullptr);
  SetSignalMask(&before, nullptr);
  if (error != 0) return false;
  pthread_detach(thread);
  return true;
}

}  // namespace myonly::internal
