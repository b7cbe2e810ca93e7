#include "tools/lint/source_tree.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace myonly {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Include(const std::string& path) {
  return "#include \"" + path + "\"\n";
}

TEST(FindLintErrorsTest, AcceptsIncludesDownwardAndInsideALayer) {
  const SourceTree tree = {
      {"allocator/base/check.h", ""},
      {"allocator/base/mutex.h", Include("allocator/base/check.h")},
      {"allocator/blocks/block.h", Include("allocator/base/mutex.h")},
      {"capi/include/myonly/myonly.h", "#include <stddef.h>\n"},
      {"capi/myonly.cc",
       Include("myonly/myonly.h") + Include("allocator/blocks/block.h")},
      {"tests/blocks/block_test.cc",
       Include("allocator/blocks/block.h") + Include("gtest/gtest.h")}};
  EXPECT_THAT(FindLintErrors(tree), IsEmpty());
}

TEST(FindLintErrorsTest, RejectsAnIncludeOfAHigherLayer) {
  const SourceTree tree = {
      {"allocator/arena/arena.h", ""},
      {"allocator/pages/slice.h", Include("allocator/arena/arena.h")}};
  EXPECT_THAT(FindLintErrors(tree),
              ElementsAre(HasSubstr("slice.h: includes "
                                    "allocator/arena/arena.h of a higher")));
}

TEST(FindLintErrorsTest, RejectsTheCHeaderInAllocator) {
  const SourceTree tree = {
      {"allocator/arena/arena.h", "# include \"myonly/myonly.h\"\n"},
      {"capi/include/myonly/myonly.h", ""}};
  EXPECT_THAT(FindLintErrors(tree), ElementsAre(HasSubstr("higher layer")));
}

TEST(FindLintErrorsTest, RejectsAnIncludeOfASiblingLayer) {
  const SourceTree tree = {
      {"allocator/blocks/block.h", ""},
      {"allocator/slabs/slab.h", Include("allocator/blocks/block.h")}};
  EXPECT_THAT(FindLintErrors(tree), ElementsAre(HasSubstr("sibling layer")));
}

TEST(FindLintErrorsTest, RejectsACycleAndNamesItsFiles) {
  const SourceTree tree = {
      {"allocator/base/a.h", Include("allocator/base/b.h")},
      {"allocator/base/b.h", Include("allocator/base/c.h")},
      {"allocator/base/c.h", Include("allocator/base/b.h")}};
  EXPECT_THAT(FindLintErrors(tree),
              ElementsAre("allocator/base/b.h: include cycle "
                          "allocator/base/b.h allocator/base/c.h"));
}

TEST(FindLintErrorsTest, RejectsParentFoldersAndMissingFiles) {
  const SourceTree tree = {
      {"allocator/base/a.h", Include("../b.h") + Include("allocator/no.h")}};
  EXPECT_THAT(FindLintErrors(tree),
              ElementsAre(HasSubstr("\"..\""), HasSubstr("isn't there")));
}

TEST(FindLintErrorsTest, RejectsAFileOverTheLimitOnly) {
  const SourceTree tree = {{"tools/long.cc", std::string(601, '\n')},
                           {"tools/short.cc", std::string(600, '\n')}};
  EXPECT_THAT(FindLintErrors(tree),
              ElementsAre("tools/long.cc: 601 lines, the limit is 600"));
}

}  // namespace
}  // namespace myonly
