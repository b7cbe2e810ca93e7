// Checks the project's own sources. They aren't declared as inputs, so that
// no new file can be forgotten: the link to a file of the root shows where
// they are, and the tag "external" makes Bazel run the test every time.
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tools/lint/source_tree.h"

namespace myonly {
namespace {

std::string FindRoot() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) return ".";
  const std::filesystem::path folder(std::string(runfiles) + "/" + workspace);
  return std::filesystem::canonical(folder / "MODULE.bazel").parent_path();
}

TEST(ProjectTest, SourcesKeepTheRules) {
  const SourceTree tree = ReadSourceTree(
      FindRoot(), {"allocator", "capi", "examples", "tests", "tools"});
  // A wrong root would make this test pass with nothing checked.
  ASSERT_EQ(tree.count("allocator/base/check.h"), 1u);
  ASSERT_GT(tree.size(), 20u);
  for (const std::string& error : FindLintErrors(tree)) {
    ADD_FAILURE() << error;
  }
}

}  // namespace
}  // namespace myonly
