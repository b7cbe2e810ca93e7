#include "tests/docs/markdown.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace myonly::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MarkdownTest, FindsInlineLinksAndReferences) {
  const Markdown page = ParseMarkdown(
      "See [a](one.md) and [b](two.md#part).\n"
      "\n"
      "[1]: three.md\n");
  EXPECT_THAT(page.links, ElementsAre("one.md", "two.md#part", "three.md"));
}

TEST(MarkdownTest, TakesNoLinkOutOfCode) {
  const Markdown page = ParseMarkdown(
      "`[a](one.md)`\n"
      "```\n"
      "[b](two.md)\n"
      "```\n");
  EXPECT_THAT(page.links, IsEmpty());
  EXPECT_THAT(page.code, ElementsAre("[a](one.md)"));
}

TEST(MarkdownTest, MakesAnchorsOfHeadings) {
  const Markdown page = ParseMarkdown(
      "# The `free` of a Block\n"
      "## What's new?\n");
  EXPECT_THAT(page.anchors, ElementsAre("the-free-of-a-block", "whats-new"));
}

TEST(MarkdownTest, KeepsBlocksWithLanguageAndSource) {
  const Markdown page = ParseMarkdown(
      "<!-- tests/a.c -->\n"
      "```c\n"
      "int a;\n"
      "\n"
      "```\n"
      "text\n"
      "```\n"
      "plain\n"
      "```\n");
  ASSERT_EQ(page.blocks.size(), 2u);
  EXPECT_EQ(page.blocks[0].source, "tests/a.c");
  EXPECT_EQ(page.blocks[0].language, "c");
  EXPECT_EQ(page.blocks[0].text, "int a;\n\n");
  EXPECT_EQ(page.blocks[0].line, 2);
  EXPECT_EQ(page.blocks[1].source, "");
  EXPECT_EQ(page.blocks[1].text, "plain\n");
}

TEST(MarkdownTest, SplitsRowsOfTables) {
  const Markdown page = ParseMarkdown("| `a` | two words |\n");
  EXPECT_THAT(page.rows, ElementsAre(ElementsAre("`a`", "two words")));
  EXPECT_THAT(page.code, ElementsAre("a"));
}

}  // namespace
}  // namespace myonly::testing
