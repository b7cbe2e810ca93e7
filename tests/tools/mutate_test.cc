// What tools/mutate answers before it builds anything.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

class MutateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ChildOptions python;
    python.argv = {"python3", "--version"};
    if (!RunChild(python).Succeeded()) GTEST_SKIP() << "there is no python3";
  }
  static ChildResult Run(const std::vector<std::string>& arguments) {
    return RunPython({}, arguments);
  }
  // With the tool's path as the argument behind `start`.
  static ChildResult RunPython(const std::vector<std::string>& start,
                               const std::vector<std::string>& arguments) {
    ChildOptions options;
    options.argv = {"python3"};
    const auto append = [&options](const std::vector<std::string>& more) {
      options.argv.insert(options.argv.end(), more.begin(), more.end());
    };
    append(start);
    append({RunfilePath("tools/mutate")});
    append(arguments);
    return RunChild(options);
  }
};

TEST_F(MutateTest, HelpTellsTheArguments) {
  const ChildResult result = Run({"--help"});
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_NE(result.out.find("[COUNT [SEED [LAYER...]]]"), std::string::npos);
  EXPECT_NE(result.out.find("Layers: base "), std::string::npos);
  EXPECT_NE(result.out.find(" runtime capi cpp\n"), std::string::npos);
}

TEST_F(MutateTest, BadArgumentsAreNamedInOneLine) {
  const struct {
    std::vector<std::string> arguments;
    const char* line;
  } cases[] = {
      {{"blocks"}, "'blocks' is no COUNT"},
      {{"0"}, "'0' is no COUNT"},
      {{"3", "-1"}, "'-1' is no SEED"},
      {{"3", "1", "capi", "rust"}, "'rust' is no LAYER"},
      {{"3", "1", "--all"}, "'--all' is no LAYER"},
      {{"x", "--all-tests-for-survivors", "y", "base"},
       "'x' is no COUNT, 'y' is no SEED"},
  };
  for (const auto& bad : cases) {
    const ChildResult result = Run(bad.arguments);
    EXPECT_EQ(result.exit_code, 2) << bad.line;
    EXPECT_EQ(result.err,
              std::string("tools/mutate: ") + bad.line + "; see --help\n");
    EXPECT_EQ(result.out, "");
  }
}

// What python prints of an expression over the tool's functions and `words`.
std::string Code(const std::string& expression) {
  return "import runpy, sys; tool = runpy.run_path(sys.argv[1]); words = "
         "sys.argv[2:]; print(" +
         expression + ")";
}

TEST_F(MutateTest, TheCApiHasFaultsToo) {
  const char* const source =
      "#include \"a.h\"\n"
      "static int before(int a) {\n"
      "  return a < 1;\n"
      "}\n"
      "namespace {\n"
      "using internal::Heap;\n"
      "}  // namespace\n"
      "extern \"C\" {\n"
      "void myonly_free(void* ptr) noexcept {\n"
      "  Heap::Free(ptr);\n"
      "}\n"
      "}  // extern \"C\"\n";
  const ChildResult faults =
      RunPython({"-c", Code("tool['candidates'](words[0])")}, {source});
  EXPECT_EQ(faults.out, "[(9, ';  // without Heap::Free(ptr);')]\n")
      << faults.Describe();
}

TEST_F(MutateTest, LayersOfTheCApiAreCAndCpp) {
  const ChildResult layers =
      RunPython({"-c", Code("*map(tool['folder_of'], words)")},
                {"allocator/runtime/a.cc", "capi/a.cc", "capi/override/a.cc",
                 "capi/cpp/a.h", "tests/conformance/a_test"});
  EXPECT_EQ(layers.out, "runtime capi capi cpp conformance\n")
      << layers.Describe();
}

}  // namespace
}  // namespace myonly::testing
