// The runner as its users see it: real programs on the real library.

#include <elf.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"
#include "tests/tools/elf_file.h"
#include "tests/tools/json_check.h"

namespace myonly::testing {
namespace {

ChildResult Myonly(std::vector<std::string> arguments,
                   const std::string& folder = "") {
  ChildOptions options;
  options.argv = {RunfilePath("tools/myonly/myonly")};
  for (std::string& argument : arguments) {
    options.argv.push_back(std::move(argument));
  }
  // What "bazel run" sets; the tests' own one would be found as well.
  if (!folder.empty()) {
    options.environment = {{"BUILD_WORKING_DIRECTORY", folder}};
  }
  return RunChild(options);
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Exactly one line of the runner's, and no more.
void ExpectOneLine(const ChildResult& result, const std::string& part) {
  EXPECT_EQ(result.err.find("myonly: "), 0U) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  EXPECT_TRUE(Contains(result.err, part)) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(MyonlyTest, HelpAndVersionGoToStandardOutput) {
  const ChildResult help = Myonly({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_TRUE(Contains(help.out, "myonly run"));
  EXPECT_EQ(help.err, "");
  const ChildResult version = Myonly({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out.find("myonly 0."), 0U) << version.out;
}

TEST(MyonlyTest, OutputAndExitCodeAreTheProgramsOwn) {
  const ChildResult result =
      Myonly({"run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(result.exit_code, 7) << result.Describe();
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err.find("err\n"), 0U) << result.err;
  EXPECT_TRUE(Contains(result.err, "peak RSS")) << result.err;
}

TEST(MyonlyTest, RunProvesThatMallocIsOurs) {
  const ChildResult result = Myonly({"run", "--", "ls", "/"});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_TRUE(Contains(result.err, "malloc was ours in 1 process"))
      << result.err;
  EXPECT_TRUE(Contains(result.err, "ls (pid ")) << result.err;
}

TEST(MyonlyTest, FlagsOfTheProgramAreNotOurs) {
  const ChildResult result = Myonly({"run", "--", "echo", "--json", "--"});
  EXPECT_EQ(result.out, "--json --\n");
  EXPECT_FALSE(Contains(result.err, "\"allocators\"")) << result.err;
}

TEST(MyonlyTest, CompareShowsBothAndTheProgramsOutputOnce) {
  const ChildResult result =
      Myonly({"compare", "--rounds=2", "--", "sh", "-c", "echo out; exit 3"});
  EXPECT_EQ(result.exit_code, 3) << result.Describe();
  EXPECT_EQ(result.out, "out\n");
  EXPECT_TRUE(Contains(result.err, "medians of 2 rounds")) << result.err;
  EXPECT_TRUE(Contains(result.err, "myonlymalloc")) << result.err;
  EXPECT_TRUE(Contains(result.err, "ratio")) << result.err;
  // Progress is for terminals.
  EXPECT_FALSE(Contains(result.err, "warm-up:")) << result.err;
}

TEST(MyonlyTest, JsonGoesToTheOutputFile) {
  TempDirectory folder;
  const std::string path = folder.path() + "/report.json";
  const ChildResult result =
      Myonly({"run", "--json", "--output=" + path, "--", "ls", "/"});
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.err, "");
  std::ifstream file(path);
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(json.find("{\n  \"program\": [\"ls\", \"/\"],"), 0U) << json;
  EXPECT_TRUE(Contains(json, "\"program\": \"ls\"")) << json;
  EXPECT_TRUE(JsonCheck::IsJson(json)) << json;
}

TEST(MyonlyTest, RelativePathsAreThoseOfTheUsersFolder) {
  TempDirectory folder;
  std::ofstream(folder.path() + "/text") << "here\n";
  const ChildResult result =
      Myonly({"run", "--", "cat", "text"}, folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.Describe();
  EXPECT_EQ(result.out, "here\n");
}

TEST(MyonlyTest, DeathByASignalIsNamed) {
  const ChildResult result = Myonly({"run", "--", "sh", "-c", "kill -SEGV $$"});
  EXPECT_EQ(result.exit_code, 139) << result.Describe();
  EXPECT_TRUE(Contains(result.err, "sh was killed by signal 11")) << result.err;
}

TEST(MyonlyTest, UnknownProgramIsOneLine) {
  const ChildResult result = Myonly({"run", "--", "no-such-program"});
  EXPECT_EQ(result.exit_code, 127);
  ExpectOneLine(result, "no-such-program: not found");
}

TEST(MyonlyTest, FileThatIsNoProgramIsOneLine) {
  TempDirectory folder;
  std::ofstream(folder.path() + "/text") << "here\n";
  const ChildResult result = Myonly({"run", "--", folder.path() + "/text"});
  EXPECT_EQ(result.exit_code, 126);
  ExpectOneLine(result, "not executable");
}

TEST(MyonlyTest, StaticProgramIsOneLine) {
  TempDirectory folder;
  WriteElfFile(folder.path() + "/static", PT_LOAD);
  const ChildResult result = Myonly({"run", "--", folder.path() + "/static"});
  EXPECT_EQ(result.exit_code, 125);
  ExpectOneLine(result, "is static");
}

TEST(MyonlyTest, LibraryThatIsNotThereIsOneLine) {
  const ChildResult result =
      Myonly({"run", "--library=/no/lib.so", "--", "ls"});
  EXPECT_EQ(result.exit_code, 125);
  ExpectOneLine(result, "/no/lib.so: no such library");
}

TEST(MyonlyTest, LibraryThatCannotBeLoadedIsOneLine) {
  TempDirectory folder;
  const std::string library = folder.path() + "/lib.so";
  std::ofstream(library) << "no library\n";
  const ChildResult result =
      Myonly({"run", "--library=" + library, "--", "ls", "/"});
  EXPECT_EQ(result.exit_code, 125);
  ExpectOneLine(result, "can't be loaded");
}

TEST(MyonlyTest, WrongCommandLinesAreOneLine) {
  ExpectOneLine(Myonly({}), "run or compare");
  ExpectOneLine(Myonly({"walk", "--", "ls"}), "walk: no such command");
  ExpectOneLine(Myonly({"run", "ls"}), "two dashes");
  ExpectOneLine(Myonly({"run", "--"}), "two dashes");
  ExpectOneLine(Myonly({"compare", "--rounds=-1", "--", "ls"}), "--rounds");
  ExpectOneLine(Myonly({"compare", "--allocator=x", "--", "ls"}), "NAME=PATH");
}

}  // namespace
}  // namespace myonly::testing
