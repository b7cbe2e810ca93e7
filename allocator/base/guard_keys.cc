#include "allocator/base/guard_keys.h"

#include <sys/auxv.h>

#include <cstring>

#include "absl/base/attributes.h"
#include "allocator/base/system_call.h"
#include "allocator/base/treap.h"

namespace myonly::internal {

ABSL_CONST_INIT GuardKeys guard_keys = {};

void MakeGuardKeys() {
  if (guard_keys.are_made) return;
  constexpr unsigned long kNonBlocking = 1;
  uint64_t words[6] = {};
  // Who reads the stack protector's secret, which is in AT_RANDOM, must not
  // have ours.
  SystemCall(SystemCallNumber::kGetRandom,
             reinterpret_cast<unsigned long>(words), sizeof(words),
             kNonBlocking);
  uint64_t given[2] = {};
  const auto* random = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (random != nullptr) memcpy(given, random, sizeof(given));
  uint64_t state = given[0] ^ reinterpret_cast<uintptr_t>(&given);
  for (uint64_t& word : words) {
    state = MixBits(state + given[1] + 0x9e3779b97f4a7c15ULL);
    word ^= state;
  }
  guard_keys = {words[0], words[1] | 1, words[2], words[3] | 1,
                words[4], words[5],     true};
  // No byte of the pattern is 0, which strings end with.
  for (int shift = 0; shift < 64; shift += 8) {
    guard_keys.pattern |= uint64_t{0x80} << shift;
  }
}

}  // namespace myonly::internal
