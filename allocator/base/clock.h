// A clock for what need not be exact: no system call, a few nanoseconds.
#ifndef MYONLY_ALLOCATOR_BASE_CLOCK_H_
#define MYONLY_ALLOCATOR_BASE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace myonly::internal {

// Milliseconds since some moment before the process; moves on every few.
inline uint64_t CoarseMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_CLOCK_H_
