// Two threads free, resize, ask for or give away the same block at the same
// time: whatever instruction of the one call the other call comes after, the
// process goes on or says why it ends.
#include <ostream>
#include <sstream>
#include <string>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

struct Scene {
  const char* who;
  const char* call;
  const char* block;
  const char* after;
};

void PrintTo(const Scene& scene, std::ostream* out) {
  *out << scene.who << ", " << scene.call << " " << scene.block << ", "
       << scene.after;
}

// After which instructions.
struct Steps {
  const char* stride;
  const char* last;
};
constexpr Steps kAll = {"1", "400"};

// A run of preempted_program; an instruction with a bad end fails the test.
// Returns what it printed.
std::string OutcomesOf(const char* library, const Scene& scene,
                       const Steps& steps) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/misuse/preempted_program"),
                scene.who,
                scene.call,
                scene.block,
                scene.after,
                steps.stride,
                steps.last};
  // What is sampled faults on purpose; and no instruction of the dynamic linker
  // or of the unwinder is of interest.
  child.environment = {{"LD_PRELOAD", RunfilePath(library)},
                       {"LD_BIND_NOW", "1"},
                       {"MYONLY_SAMPLE_RATE", "0"},
                       {"MYONLY_STACK_DEPTH", "0"}};
  child.timeout_seconds = 300;
  const ChildResult result = RunChild(child);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  for (const char* bad : {"CRASH", "HANG", "OVERLAP"}) {
    EXPECT_EQ(result.out.find(bad), std::string::npos) << result.out;
  }
  return result.out;
}

class PreemptedTest : public ::testing::TestWithParam<Scene> {
 protected:
  static void ExpectGoodEnds(const char* library, bool may_fault,
                             const Steps& steps = kAll) {
    if (!internal::kChecksObjects) GTEST_SKIP() << "no checks";
    const std::string outcomes = OutcomesOf(library, GetParam(), steps);
    if (outcomes == "UNSUPPORTED\n") GTEST_SKIP() << outcomes;
    if (!may_fault) {
      EXPECT_EQ(outcomes.find("GUARDED"), std::string::npos) << outcomes;
    }
    // Questions are no misuse, and transfers may come too late without harm.
    const std::string call = GetParam().call;
    if (call == "arena_of" || call == "block_of") {
      EXPECT_EQ(outcomes.find("HARMLESS"), 0u) << outcomes;
      EXPECT_EQ(outcomes.find('\n'), outcomes.size() - 1) << outcomes;
    }
    if (call == "transfer" || call == "arena_of" || call == "block_of") return;
    EXPECT_NE(outcomes.find("DETECTED"), std::string::npos) << outcomes;
  }
};

// A block of the preset release stays readable, unless it is huge.
TEST_P(PreemptedTest, EndsWell) {
  if (internal::kIsSecure) GTEST_SKIP() << "as the next one";
  ExpectGoodEnds("capi/libmyonlymalloc.so", /*may_fault=*/false);
}

TEST_P(PreemptedTest, EndsWellInSecure) {
  ExpectGoodEnds("capi/libmyonlymalloc-secure.so", /*may_fault=*/true);
}

// Calls of this preset fill blocks and look at what waits, which takes
// thousands of instructions: not after each of them.
TEST_P(PreemptedTest, EndsWellInDebug) {
  ExpectGoodEnds("capi/libmyonlymalloc-debug.so", /*may_fault=*/true,
                 {"13", "1300"});
}

const Scene kScenes[] = {
    {"owner_frees", "free", "small", "purge"},
    {"owner_frees", "free", "small", "regions"},
    {"owner_frees", "free", "medium", "purge"},
    {"owner_frees", "free", "medium", "runs"},
    {"owner_frees", "free", "large", "purge"},
    {"owner_frees", "free", "huge", "purge"},
    {"owner_frees", "free", "arena_small", "destroyed"},
    {"owner_frees", "free", "arena_medium", "destroyed"},
    {"owner_frees", "free_batch", "medium", "purge"},
    {"owner_frees", "free_sized", "small", "purge"},
    {"owner_frees", "free_sized", "medium", "purge"},
    {"owner_frees", "grow", "small", "purge"},
    {"owner_frees", "grow", "small", "regions"},
    {"owner_frees", "grow", "medium", "purge"},
    {"owner_frees", "grow", "large", "purge"},
    {"owner_frees", "grow", "arena_small", "destroyed"},
    {"owner_frees", "shrink", "medium", "regions"},
    {"owner_frees", "try_resize", "small", "purge"},
    {"owner_frees", "try_resize", "huge", "purge"},
    {"owner_frees", "usable_size", "small", "runs"},
    {"owner_frees", "usable_size", "medium", "purge"},
    {"owner_frees", "usable_size", "large", "purge"},
    {"owner_frees", "usable_size", "arena_medium", "destroyed"},
    {"owner_frees", "transfer", "arena_large", "purge"},
    {"owner_frees", "arena_of", "small", "regions"},
    {"owner_frees", "arena_of", "medium", "runs"},
    {"owner_frees", "block_of", "small", "runs"},
    {"owner_frees", "block_of", "small", "regions"},
    {"owner_frees", "block_of", "medium", "runs"},
    {"other_frees", "free", "small", "purge"},
    {"other_frees", "free", "medium", "purge"},
    {"other_frees", "grow", "medium", "purge"},
    {"owner_is_stopped", "free", "small", "purge"},
    {"owner_is_stopped", "free", "medium", "purge"},
    {"owner_is_stopped", "grow", "medium", "purge"},
};

std::string NameOf(const ::testing::TestParamInfo<Scene>& info) {
  const Scene& scene = info.param;
  std::ostringstream name;
  name << scene.who << "_" << scene.call << "_" << scene.block << "_"
       << scene.after;
  return name.str();
}

INSTANTIATE_TEST_SUITE_P(Of, PreemptedTest, ::testing::ValuesIn(kScenes),
                         NameOf);

}  // namespace
}  // namespace myonly::testing
