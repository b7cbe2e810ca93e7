// The model of tests/model, driven by the bytes that a fuzzer makes up.
//
// Linked twice: with replay_main.cc as a test over the corpus, and by
// libFuzzer as a target of its own. To fuzz, with clang:
//   tools/bazel run //tests/fuzz:heap_fuzzer --config=clang
//       --copt=-fsanitize=fuzzer-no-link -- -max_len=4096
// and put an input that crashed it into the corpus when it is fixed.
#include <stddef.h>
#include <stdint.h>

#include "tests/model/choices.h"
#include "tests/model/heap_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using myonly::testing::HeapModel;
  myonly::testing::ByteChoices choices(data, size);
  myonly::testing::HeapModelOptions options;
  options.most_blocks = 1024;
  options.most_bytes = size_t{64} << 20;
  options.check_interval = 16;
  HeapModel model(choices, options);
  while (!choices.exhausted()) model.Step();
  return 0;
}
