#include "allocator/runtime/process_globals.h"

#include <atomic>

#include "absl/base/attributes.h"
#include "allocator/base/system_call.h"
#include "allocator/base/treap.h"

namespace myonly::internal {

// Not by getauxval: a small program uses nothing else of the pages of libc
// around it, and would be 50 KB larger by them.
uint64_t RandomSeed() {
  ABSL_CONST_INIT static std::atomic<uint64_t> seed{0};
  uint64_t now = seed.load(std::memory_order_relaxed);
  if (now != 0) return now;
  constexpr unsigned long kNonBlocking = 1;
  SystemCall(SystemCallNumber::kGetRandom,
             reinterpret_cast<unsigned long>(&now), sizeof(now), kNonBlocking);
  // Where the system gives none, the address of a stack is random, too.
  now = MixBits(now ^ reinterpret_cast<uintptr_t>(&now));
  seed.store(now, std::memory_order_relaxed);
  return now;
}

}  // namespace myonly::internal
