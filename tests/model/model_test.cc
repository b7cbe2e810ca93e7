// Ten million random operations on the C API against a shadow heap.
//
// Run a failed sequence again with --seed=N or TEST_SEED=N; TEST_OPERATIONS=N
// makes it longer or shorter.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <random>

#include "gtest/gtest.h"
#include "tests/model/choices.h"
#include "tests/model/heap_model.h"

namespace myonly::testing {
namespace {

// A sanitizer makes an operation ten times as slow.
#ifdef MYONLY_SANITIZER
constexpr uint64_t kOperations = 500'000;
#else
constexpr uint64_t kOperations = 10'000'000;
#endif

uint64_t seed;
uint64_t operations;

TEST(HeapModelTest, RandomOperationsMatchTheShadowHeap) {
  RandomChoices choices(seed);
  HeapModel model(choices, HeapModelOptions());
  while (model.steps() < operations) model.Step();
}

// Few blocks and all checks often: this finds the cause, the long run finds
// that there is one.
TEST(HeapModelTest, InvariantsHoldAfterEachOperation) {
  RandomChoices choices(seed + 1);
  HeapModelOptions options;
  options.most_blocks = 64;
  options.most_bytes = size_t{16} << 20;
  options.check_interval = 1;
  HeapModel model(choices, options);
  while (model.steps() < operations / 500) model.Step();
}

uint64_t NumberFrom(const char* text, uint64_t otherwise) {
  return text != nullptr ? strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace
}  // namespace myonly::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const char* seed_text = getenv("TEST_SEED");
  if (argc > 1 && strncmp(argv[1], "--seed=", 7) == 0) seed_text = argv[1] + 7;
  myonly::testing::seed =
      myonly::testing::NumberFrom(seed_text, std::random_device()());
  myonly::testing::operations = myonly::testing::NumberFrom(
      getenv("TEST_OPERATIONS"), myonly::testing::kOperations);
  // To stderr and at once: it has to be there when the model aborts.
  fprintf(stderr, "seed %" PRIu64 ", %" PRIu64 " operations\n",
          myonly::testing::seed, myonly::testing::operations);
  return RUN_ALL_TESTS();
}
