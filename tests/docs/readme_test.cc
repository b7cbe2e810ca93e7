// The documents show code as it is in tested files, and list the layers and
// units as they are.
#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/docs/markdown.h"
#include "tests/docs/project_files.h"

namespace myonly::testing {
namespace {

using Names = std::vector<std::string>;

Markdown Page(const std::string& path) {
  return ParseMarkdown(ProjectFiles().at(path));
}

bool IsCode(const CodeBlock& block) {
  return block.language == "c" || block.language == "cpp" ||
         block.language == "rust" || block.language == "starlark";
}

// --- Code ---

TEST(ExamplesInDocumentsTest, AreThoseOfTestedFiles) {
  size_t shown = 0;
  for (const auto& [path, text] : ProjectFiles()) {
    if (path.size() < 3 || path.substr(path.size() - 3) != ".md") continue;
    for (const CodeBlock& block : ParseMarkdown(text).blocks) {
      if (block.source.empty()) continue;
      ++shown;
      ASSERT_EQ(ProjectFiles().count(block.source), 1u) << block.source;
      EXPECT_NE(ProjectFiles().at(block.source).find(block.text),
                std::string::npos)
          << path << ":" << block.line << " isn't in " << block.source;
    }
  }
  EXPECT_GE(shown, 5u);
}

// A file that no target compiles would prove nothing.
TEST(ExamplesInDocumentsTest, AreSourcesOfTargets) {
  for (const char* page : {"README.md", "allocator/README.md"}) {
    int code = 0;
    for (const CodeBlock& block : Page(page).blocks) {
      if (!IsCode(block)) continue;
      ++code;
      EXPECT_NE(block.source, "") << page << ":" << block.line;
      const std::string build = FolderOf(block.source) + "/BUILD";
      if (block.source.empty() || block.source == build) continue;
      const std::string name = block.source.substr(build.size() - 5);
      EXPECT_NE(ProjectFiles().at(build).find("srcs = [\"" + name + "\"]"),
                std::string::npos)
          << block.source;
    }
    EXPECT_GE(code, 1) << page;
  }
}

TEST(ReadmeTest, ShowsEachLanguage) {
  std::set<std::string> languages;
  for (const CodeBlock& block : Page("README.md").blocks) {
    languages.insert(block.language);
  }
  for (const char* language : {"c", "cpp", "rust", "starlark"}) {
    EXPECT_EQ(languages.count(language), 1u) << language;
  }
}

// --- Layers ---

Names Words(const std::string& text, const std::string& pattern) {
  const std::regex word(pattern);
  Names words;
  for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end;
       ++it) {
    words.push_back((*it)[1]);
  }
  return words;
}

// The layers of one row are siblings.
std::vector<Names> LayersIn(const std::string& page) {
  std::vector<Names> layers;
  for (const CodeBlock& block : Page(page).blocks) {
    if (block.text.find("base < ") != 0) continue;
    std::istringstream rows(block.text);
    for (std::string row; std::getline(rows, row, '<');) {
      layers.push_back(Words(row, "([a-z]+)"));
      std::sort(layers.back().begin(), layers.back().end());
    }
  }
  return layers;
}

// The same from the table of the include check; only folders that exist.
std::vector<Names> LayersOfTheIncludeCheck() {
  static const std::regex kRow(R"(\s*\{("[a-z/]+/"(, )?)+\},)");
  std::istringstream lines(ProjectFiles().at("tools/lint/source_tree.cc"));
  std::vector<Names> layers;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, kRow)) continue;
    Names names;
    for (const std::string& folder : Words(line, "\"([a-z/]+)/\"")) {
      if (Exists(folder)) names.push_back(folder.substr(folder.rfind('/') + 1));
    }
    std::sort(names.begin(), names.end());
    if (!names.empty()) layers.push_back(names);
  }
  return layers;
}

TEST(LayersTest, AreThoseOfTheIncludeCheck) {
  const std::vector<Names> checked = LayersOfTheIncludeCheck();
  ASSERT_GE(checked.size(), 7u);
  EXPECT_EQ(LayersIn("allocator/README.md"), checked);
  EXPECT_EQ(LayersIn("docs/architecture.md"), checked);
}

// --- Units ---

// Layer -> headers, from the rows of the table.
std::map<std::string, std::set<std::string>> UnitsInTheTable() {
  std::map<std::string, std::set<std::string>> units;
  std::string layer;
  for (const Names& cells : Page("allocator/README.md").rows) {
    if (cells.size() != 3) continue;
    if (!cells[0].empty()) layer = cells[0];
    const Names headers = Words(cells[1], "`([a-z_]+\\.h)`");
    units[layer].insert(headers.begin(), headers.end());
  }
  units.erase("layer");
  units.erase("---");
  return units;
}

TEST(LayersTest, EachHeaderHasARowUnderItsLayer) {
  static const std::regex kHeader("allocator/([a-z]+)/([a-z_]+\\.h)");
  std::map<std::string, std::set<std::string>> units;
  for (const auto& file : ProjectFiles()) {
    std::smatch match;
    if (!std::regex_match(file.first, match, kHeader)) continue;
    units[match[1]].insert(match[2]);
  }
  EXPECT_EQ(UnitsInTheTable(), units);
}

}  // namespace
}  // namespace myonly::testing
