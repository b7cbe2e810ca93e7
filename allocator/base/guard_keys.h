// The secrets of the secure preset: random numbers of the process, made before
// the first page is handed out and never changed afterwards.
//
// A mutable global outside of `runtime`: fast paths of every layer need them as
// operands. Read by every thread; written once, under the run pool's lock.
#ifndef MYONLY_ALLOCATOR_BASE_GUARD_KEYS_H_
#define MYONLY_ALLOCATOR_BASE_GUARD_KEYS_H_

#include <cstdint>

namespace myonly::internal {

struct GuardKeys {
  uint64_t link;     // of the links of free objects and blocks
  uint64_t factor;   // the same: odd
  uint64_t place;    // of canaries: mixed with where they are
  uint64_t length;   // of canaries: mixed with how long the payload is
  uint64_t pattern;  // what fills the space behind a payload
  uint64_t order;    // what random orders begin with
  bool are_made;
};

extern __attribute__((visibility("hidden"))) GuardKeys guard_keys;

// Makes them if that has not been done. From what the kernel has given the
// process at its start, and from getrandom, whose refusal or lack of randomness
// is no failure: neither stops or delays a process.
void MakeGuardKeys();

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_GUARD_KEYS_H_
