// Before a program is told that there is no memory, what the allocator keeps
// for later serves it: of the caller, of arenas, and of threads that do
// nothing.
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/preset.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

constexpr int kNotPossible = 77;  // as in short_memory_program.cc

using Case = std::tuple<const char*, const char*>;  // preset, what is done

class ShortMemoryTest : public ::testing::TestWithParam<Case> {};

TEST_P(ShortMemoryTest, WhatIsKeptServesOtherRequests) {
  const std::string preset = std::get<0>(GetParam());
  if (kIsDebug && preset.empty()) {
    GTEST_SKIP() << "what it knows of all addresses takes more";
  }
  ChildOptions child;
  child.argv = {RunfilePath("tests/fault/short_memory_program" + preset),
                std::get<1>(GetParam())};
  const ChildResult result = RunChild(child);
  if (result.exit_code == kNotPossible) GTEST_SKIP() << result.Describe();
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out, "ok\n");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ShortMemoryTest,
    ::testing::Combine(::testing::Values("", "_secure"),
                       ::testing::Values("SmallThenLarge", "HugeThenSmall",
                                         "TheLastFreed", "OfAnIdleThread",
                                         "OfAllThreads", "IntoAnArena",
                                         "OutOfArenas", "SmallThenZeroed",
                                         "MediumThenLarge", "SmallThenHuge")),
    [](const auto& info) {
      const std::string preset = std::get<0>(info.param);
      return std::get<1>(info.param) +
             std::string(preset.empty() ? "" : "Secure");
    });

}  // namespace
}  // namespace myonly::testing
