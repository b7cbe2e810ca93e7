// Clocks: no system call.
#ifndef MYONLY_ALLOCATOR_BASE_CLOCK_H_
#define MYONLY_ALLOCATOR_BASE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace myonly::internal {

// Microseconds since some moment before the process; takes some 30 ns.
inline uint64_t ExactUs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// Milliseconds likewise; moves on every few, and takes a few nanoseconds.
inline uint64_t CoarseMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_CLOCK_H_
