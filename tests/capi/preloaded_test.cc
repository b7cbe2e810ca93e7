// Runs test programs that are linked against libc's malloc with the library
// preloaded. The same tests linked with `malloc =` are tests of their own.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

class PreloadedTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PreloadedTest, Passes) {
  ChildOptions options;
  options.argv = {RunfilePath("tests/capi/" + std::string(GetParam()))};
  options.environment = {{"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc.so")},
                         // Bazel's names of report files are this test's own.
                         {"XML_OUTPUT_FILE", ""},
                         {"GTEST_OUTPUT", ""},
                         {"TEST_SHARD_STATUS_FILE", ""}};
  options.timeout_seconds = 200;
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe() << "\n" << result.out;
  EXPECT_NE(result.out.find("[  PASSED  ]"), std::string::npos) << result.out;
}

INSTANTIATE_TEST_SUITE_P(
    Programs, PreloadedTest,
    ::testing::Values("malloc_edges_plain", "aligned_edges_plain",
                      "new_delete_plain", "replaced_new_plain"),
    [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace myonly::testing
