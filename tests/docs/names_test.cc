// What the documents name exists: files, targets, functions, variables. Only
// what stands in `code` is looked at.
#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/docs/markdown.h"
#include "tests/docs/project_files.h"

namespace myonly::testing {
namespace {

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Tells of other times, when things had other names.
bool IsHistory(const std::string& page) {
  return page == "CHANGELOG.md" || page.rfind("docs/decisions/", 0) == 0;
}

// Calls visit(page, code) for all code of the other documents.
template <typename Visit>
void VisitCode(Visit visit) {
  for (const auto& [page, text] : ProjectFiles()) {
    if (!EndsWith(page, ".md") || IsHistory(page)) continue;
    const Markdown parsed = ParseMarkdown(text);
    for (const std::string& code : parsed.code) visit(page, code);
    for (const CodeBlock& block : parsed.blocks) visit(page, block.text);
  }
}

bool IsSource(const std::string& path) {
  return path.rfind("allocator/", 0) == 0 || path.rfind("capi/", 0) == 0;
}

// --- Files ---

// Paths are given from the root, or are as much of their end as is needed.
bool IsFile(const std::string& name) {
  if (Exists(name)) return true;
  const auto& files = ProjectFiles();
  return std::any_of(files.begin(), files.end(), [&name](const auto& file) {
    return EndsWith(file.first, "/" + name);
  });
}

// The file or folder that `code` names or begins with; "" if it does neither.
std::string FileIn(const std::string& code) {
  static const std::regex kSource(
      R"(([\w./-]+\.(?:h|cc|c|rs|md|def|bzl|map|txt)))");
  static const std::regex kFolder(
      R"(((?:allocator|capi|docs|examples|tests|tools|\.ci)/[\w./-]*))"
      R"((?: .*)?)");
  std::smatch match;
  if (Contains(code, "...")) return "";
  if (std::regex_match(code, match, kSource)) return match[1];
  if (std::regex_match(code, match, kFolder)) return match[1];
  return "";
}

TEST(NamesTest, FilesExist) {
  int files = 0;
  VisitCode([&files](const std::string& page, const std::string& code) {
    const std::string file = FileIn(code);
    if (file.empty()) return;
    ++files;
    EXPECT_TRUE(IsFile(file)) << page << ": " << file;
  });
  EXPECT_GT(files, 50);
}

TEST(NamesTest, MissingFilesAreSeen) {
  EXPECT_TRUE(IsFile(FileIn("base/mutex.h")));
  EXPECT_TRUE(IsFile(FileIn("tools/bazel run //:demo")));
  EXPECT_FALSE(IsFile(FileIn("base/mute.h")));
  EXPECT_FALSE(IsFile(FileIn("tools/no_such_tool --help")));
  EXPECT_FALSE(IsFile(FileIn("tests/no_such_folder")));
}

// --- Targets ---

// Labels of this project in `code`, without patterns such as //...
std::vector<std::string> LabelsIn(const std::string& code) {
  static const std::regex kLabel(
      R"((^|[\s=(])(@myonlymalloc)?)"
      R"((//(?:[\w/-]+(:[\w.-]+)?|:[\w.-]+))(?![\w./]))");
  std::vector<std::string> labels;
  for (std::sregex_iterator it(code.begin(), code.end(), kLabel), end;
       it != end; ++it) {
    labels.push_back((*it)[3]);
  }
  return labels;
}

bool IsTarget(const std::string& label) {
  const size_t colon = std::min(label.find(':'), label.size());
  const std::string package = label.substr(2, colon - 2);
  const std::string name = colon < label.size()
                               ? label.substr(colon + 1)
                               : package.substr(package.rfind('/') + 1);
  const auto build =
      ProjectFiles().find(package.empty() ? "BUILD" : package + "/BUILD");
  return build != ProjectFiles().end() &&
         Contains(build->second, "name = \"" + name + "\"");
}

TEST(NamesTest, TargetsExist) {
  int targets = 0;
  VisitCode([&targets](const std::string& page, const std::string& code) {
    for (const std::string& label : LabelsIn(code)) {
      ++targets;
      EXPECT_TRUE(IsTarget(label)) << page << ": " << label;
    }
  });
  EXPECT_GT(targets, 25);
}

TEST(NamesTest, MissingTargetsAreSeen) {
  EXPECT_EQ(LabelsIn("bazel run //:demo").at(0), "//:demo");
  EXPECT_EQ(LabelsIn("@myonlymalloc//capi").at(0), "//capi");
  EXPECT_TRUE(LabelsIn("bazel test //...").empty());
  EXPECT_TRUE(LabelsIn("https://example.com/a").empty());
  EXPECT_TRUE(IsTarget("//capi"));
  EXPECT_TRUE(IsTarget("//:myonlymalloc"));
  EXPECT_FALSE(IsTarget("//capi:no_such_target"));
  EXPECT_FALSE(IsTarget("//no_such_package"));
}

// --- Functions and variables ---

// A class and one of its members stand in one source file.
bool IsMember(const std::string& type, const std::string& member) {
  const std::regex declared("(class|struct)[^;{]*\\b" + type + "\\b");
  const std::regex used("\\b" + member + "\\b");
  const auto& files = ProjectFiles();
  return std::any_of(files.begin(), files.end(), [&](const auto& file) {
    return IsSource(file.first) && EndsWith(file.first, ".h") &&
           Contains(file.second, type) &&
           std::regex_search(file.second, declared) &&
           std::regex_search(file.second, used);
  });
}

TEST(NamesTest, MembersExist) {
  static const std::regex kMember(R"(([A-Z]\w+)::([A-Za-z]\w*)(?:\(\))?)");
  int members = 0;
  VisitCode([&members](const std::string& page, const std::string& code) {
    std::smatch match;
    if (!std::regex_match(code, match, kMember)) return;
    ++members;
    EXPECT_TRUE(IsMember(match[1], match[2])) << page << ": " << code;
  });
  EXPECT_GT(members, 25);
  EXPECT_FALSE(IsMember("Arena", "NoSuchFunction"));
}

// A name of the C API, an option, or a word of the tools.
bool IsPublicName(const std::string& name) {
  const auto& files = ProjectFiles();
  if (name.rfind("MYONLY_", 0) == 0 &&
      Contains(files.at("allocator/options/options.def"),
               '"' + name.substr(7) + '"')) {
    return true;
  }
  const std::regex word("\\b" + name + "\\b");
  return std::any_of(files.begin(), files.end(), [&](const auto& file) {
    return !EndsWith(file.first, ".md") && file.first.rfind("tests/", 0) != 0 &&
           Contains(file.second, name) && std::regex_search(file.second, word);
  });
}

TEST(NamesTest, PublicNamesExist) {
  static const std::regex kName(R"((myonly_\w+|MYONLY_\w+)(\(\)|=.*)?)");
  int names = 0;
  VisitCode([&names](const std::string& page, const std::string& code) {
    std::smatch match;
    if (!std::regex_match(code, match, kName)) return;
    ++names;
    EXPECT_TRUE(IsPublicName(match[1])) << page << ": " << code;
  });
  EXPECT_GT(names, 15);
  EXPECT_FALSE(IsPublicName("myonly_no_such_call"));
  EXPECT_FALSE(IsPublicName("MYONLY_NO_SUCH_OPTION"));
}

}  // namespace
}  // namespace myonly::testing
