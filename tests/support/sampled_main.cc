// The main function of tests in which each block of the preset secure is to be
// a sampled one. Bazel's --test_env goes before what a rule says, and the
// option is read before main: so it starts itself again with it.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gtest/gtest.h"

int main(int argc, char** argv) {
  constexpr char kRate[] = "MYONLY_SAMPLE_RATE";
  const char* rate = getenv(kRate);
  if (rate == nullptr || strcmp(rate, "1") != 0) {
    if (setenv(kRate, "1", 1) == 0) execv("/proc/self/exe", argv);
    return 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
