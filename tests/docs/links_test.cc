// Every relative link of every document leads to a file of the project, and to
// a heading where it names one.
#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/docs/markdown.h"
#include "tests/docs/project_files.h"

namespace myonly::testing {
namespace {

constexpr size_t kMostColumns = 120;

bool IsMarkdown(const std::string& path) {
  return path.size() > 3 && path.compare(path.size() - 3, 3, ".md") == 0;
}

bool IsAbsolute(const std::string& link) {
  return link.find("://") != std::string::npos || link.rfind("mailto:", 0) == 0;
}

// What is wrong with a link of `page`; "" if nothing is.
std::string WhatIsWrong(const std::string& page, const std::string& link) {
  const size_t hash = std::min(link.find('#'), link.size());
  const std::string target = link.substr(0, hash);
  const std::filesystem::path folder(FolderOf(page));
  std::string path = page;
  if (!target.empty()) path = (folder / target).lexically_normal().string();
  if (!Exists(path)) return path + " isn't there";
  if (hash == link.size()) return "";
  const auto file = ProjectFiles().find(path);
  if (file == ProjectFiles().end()) return path + " has no headings";
  const auto anchors = ParseMarkdown(file->second).anchors;
  const std::string anchor = link.substr(hash + 1);
  return std::count(anchors.begin(), anchors.end(), anchor) != 0
             ? ""
             : path + " has no heading " + anchor;
}

TEST(LinksTest, LeadToFilesAndHeadings) {
  size_t links = 0;
  for (const auto& [page, text] : ProjectFiles()) {
    if (!IsMarkdown(page)) continue;
    for (const std::string& link : ParseMarkdown(text).links) {
      if (IsAbsolute(link)) continue;
      ++links;
      EXPECT_EQ(WhatIsWrong(page, link), "") << page << ": " << link;
    }
  }
  EXPECT_GT(links, 20u);
}

TEST(LinksTest, BrokenOnesAreSeen) {
  EXPECT_EQ(WhatIsWrong("README.md", "docs/architecture.md"), "");
  EXPECT_EQ(WhatIsWrong("docs/glossary.md", "../README.md#use-it"), "");
  EXPECT_NE(WhatIsWrong("README.md", "docs/no_such_page.md"), "");
  EXPECT_NE(WhatIsWrong("docs/glossary.md", "README.md"), "");
  EXPECT_NE(WhatIsWrong("README.md", "#no-such-heading"), "");
}

TEST(MarkdownFormatTest, PagesBeginWithATitleAndLinesAreShort) {
  for (const auto& [page, text] : ProjectFiles()) {
    if (!IsMarkdown(page)) continue;
    EXPECT_EQ(text.rfind("# ", 0), 0u) << page;
    std::istringstream lines(text);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), kMostColumns) << page << ":" << ++number;
    }
  }
}

}  // namespace
}  // namespace myonly::testing
