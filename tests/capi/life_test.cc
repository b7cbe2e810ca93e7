// The heap works from before the first constructor to after the last
// destructor, in every way to link a program.
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
  const char* binary;  // The end of the program's name.
  bool preload;
};

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

const Way kWays[] = {
    {"Linked", "linked", false},
    {"NoPie", "no_pie", false},
    {"Static", "static", false},
    {"StaticPie", "static_pie", false},
    {"Preloaded", "plain", true},
    // Two copies in one process: the program's own is malloc.
    {"LinkedAndPreloaded", "linked", true},
    // libc's malloc, as the proof that the tests ask for what is right.
    {"Plain", "plain", false},
};

ChildResult RunProgram(const Way& way, const std::string& program,
                       const std::string& argument = "") {
  ChildOptions options;
  options.argv = {RunfilePath("tests/capi/" + program + "_" + way.binary)};
  if (!argument.empty()) options.argv.push_back(argument);
  if (way.preload) {
    options.environment = {
        {"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc.so")}};
  }
  return RunChild(options);
}

void ExpectOutput(const ChildResult& result, const std::string& expected) {
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out, expected);
  EXPECT_EQ(result.err, "");
}

class LifeTest : public ::testing::TestWithParam<Way> {};

constexpr char kUntilMainEnds[] =
    "preinit_array\nconstructor 101\nconstructor\nglobal object\nmain\n"
    "thread\nthread_local's end\nkey's end\n";

TEST_P(LifeTest, FromPreinitToTheLastDestructor) {
  const std::string expected =
      std::string(kUntilMainEnds) +
      "thread_local's end\natexit\nglobal object's end\ndestructor 101\n";
  ExpectOutput(RunProgram(GetParam(), "life_program", "return"), expected);
  ExpectOutput(RunProgram(GetParam(), "life_program", "exit"), expected);
}

// The last thread ends the process then; libc leaves main's own thread_local
// objects out.
TEST_P(LifeTest, AfterTheEndOfTheMainThread) {
  ExpectOutput(RunProgram(GetParam(), "life_program", "thread_exit"),
               std::string(kUntilMainEnds) +
                   "last thread\natexit\nglobal object's end\n"
                   "destructor 101\n");
}

TEST_P(LifeTest, AnyCallMayBeTheFirst) {
  for (const char* call :
       {"small", "zero", "large", "huge", "too-large", "calloc", "realloc",
        "aligned", "free", "usable-size", "trim"}) {
    SCOPED_TRACE(call);
    ExpectOutput(RunProgram(GetParam(), "first_call_program", call), "good\n");
  }
}

TEST_P(LifeTest, UntilQuickExit) {
  ExpectOutput(RunProgram(GetParam(), "life_program", "quick_exit"),
               std::string(kUntilMainEnds) + "at_quick_exit\n");
}

TEST_P(LifeTest, InAResolverOfAnIndirectFunction) {
  const std::string way = GetParam().name;
  if (way == "Plain") GTEST_SKIP() << "ours goes further than libc's";
  if (way == "Static" || way == "StaticPie") {
    GTEST_SKIP() << "libc calls these resolvers before threads have storage";
  }
  ExpectOutput(RunProgram(GetParam(), "ifunc_program"), "main\n");
}

TEST_P(LifeTest, WithoutTheCppRuntime) {
  ExpectOutput(RunProgram(GetParam(), "small_c_program"), "1 ok\n");
}

// Linked statically, the C++ runtime has only the parts that are asked for.
TEST_P(LifeTest, BadAllocIsThrownAndCaught) {
  ExpectOutput(RunProgram(GetParam(), "bad_alloc_program"),
               "nothrow\nbad_alloc\n");
}

INSTANTIATE_TEST_SUITE_P(Ways, LifeTest, ::testing::ValuesIn(kWays),
                         [](const ::testing::TestParamInfo<Way>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace myonly::testing
