// Fork and its kin, in programs that have the allocator in different ways.
#include <ostream>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

struct Way {
  const char* name;
  const char* binary;
  bool preload;
};

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

const Way kWays[] = {
    {"Linked", "linked", false},
    {"Static", "static", false},
    {"Preloaded", "plain", true},
    {"LinkedAndPreloaded", "linked", true},
};

class ProcessesTest
    : public ::testing::TestWithParam<std::tuple<const char*, Way>> {};

TEST_P(ProcessesTest, ChildAndParentGoOn) {
  const auto& [mode, way] = GetParam();
  ChildOptions options;
  options.argv = {
      RunfilePath(std::string("tests/capi/fork_program_") + way.binary), mode};
  if (way.preload) {
    options.environment = {
        {"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc.so")}};
  }
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.err, "");
}

INSTANTIATE_TEST_SUITE_P(
    By, ProcessesTest,
    ::testing::Combine(::testing::Values("handlers", "early_handlers", "nested",
                                         "threads", "vfork", "spawn", "system",
                                         "daemon", "each_thread", "destructors",
                                         "environment"),
                       ::testing::ValuesIn(kWays)),
    [](const ::testing::TestParamInfo<ProcessesTest::ParamType>& info) {
      return std::string(std::get<0>(info.param)) +
             std::get<1>(info.param).name;
    });

}  // namespace
}  // namespace myonly::testing
