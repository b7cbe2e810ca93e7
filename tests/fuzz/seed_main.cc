// Runs a fuzz target on inputs made from a seed; libFuzzer isn't needed.
//
// FUZZ_RUNS=N inputs (default 300) of up to 4,096 bytes. Each has a seed of its
// own; every thousandth is printed, and TEST_SEED=N begins there.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <random>
#include <vector>

#include "tests/model/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

uint64_t NumberFrom(const char* name, uint64_t otherwise) {
  const char* text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

int main() {
  const uint64_t runs = NumberFrom("FUZZ_RUNS", 300);
  const uint64_t first = NumberFrom("TEST_SEED", std::random_device()());
  uint64_t bytes = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    // To stderr and at once: it has to be there when the target aborts.
    if (run % 1000 == 0) {
      fprintf(stderr, "seed %llu\n",
              static_cast<unsigned long long>(first + run));
    }
    myonly::testing::RandomChoices random(first + run);
    std::vector<uint8_t> input(random.Below(4097));
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random.Below(256));
    bytes += input.size();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  printf("figure: %llu inputs, %llu bytes, first seed %llu\n",
         static_cast<unsigned long long>(runs),
         static_cast<unsigned long long>(bytes),
         static_cast<unsigned long long>(first));
  return 0;
}
