#include "allocator/runtime/process_globals.h"

#include <sys/auxv.h>

#include <cstring>

#include "allocator/base/treap.h"

namespace myonly::internal {

// 16 random bytes that the kernel gives every process, without a system call.
uint64_t RandomSeed() {
  uint64_t seed = 0;
  const auto* random = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (random != nullptr) memcpy(&seed, random, sizeof(seed));
  return MixBits(seed);
}

}  // namespace myonly::internal
