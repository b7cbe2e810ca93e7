#include "allocator/runtime/process_globals.h"

#include <sys/auxv.h>

#include <atomic>
#include <cstring>

#include "absl/base/attributes.h"
#include "allocator/base/system_call.h"
#include "allocator/base/treap.h"

namespace myonly::internal {

// By getauxval only where the system gives none: a small program uses nothing
// else of the pages of libc around it, and would be 50 KB larger by them.
uint64_t RandomSeed() {
  ABSL_CONST_INIT static std::atomic<uint64_t> seed{0};
  uint64_t now = seed.load(std::memory_order_relaxed);
  if (now != 0) return now;
  constexpr unsigned long kNonBlocking = 1;
  SystemCall(SystemCallNumber::kGetRandom,
             reinterpret_cast<unsigned long>(&now), sizeof(now), kNonBlocking);
  if (now == 0) {
    const auto* given = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
    if (given != nullptr) memcpy(&now, given, sizeof(now));
  }
  now = MixBits(now);
  seed.store(now, std::memory_order_relaxed);
  return now;
}

uint64_t NewHeapSeed() {
  ABSL_CONST_INIT static std::atomic<uint64_t> heaps{0};
  return MixBits(RandomSeed() + heaps.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace myonly::internal
