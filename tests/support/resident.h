// What of this process is in memory.
#ifndef MYONLY_TESTS_SUPPORT_RESIDENT_H_
#define MYONLY_TESTS_SUPPORT_RESIDENT_H_

#include <stdio.h>
#include <unistd.h>

#include <cstddef>

#include "gtest/gtest.h"

namespace myonly::testing {

inline size_t ResidentBytes() {
  FILE* file = fopen("/proc/self/statm", "r");
  size_t pages = 0;
  EXPECT_TRUE(file != nullptr && fscanf(file, "%*u %zu", &pages) == 1);
  if (file != nullptr) fclose(file);
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_RESIDENT_H_
