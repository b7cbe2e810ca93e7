// docs/errors.md knows every message of the library, and no other.
#include <regex>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/docs/markdown.h"
#include "tests/docs/project_files.h"

namespace myonly::testing {
namespace {

bool IsSource(const std::string& path) {
  return (path.rfind("allocator/", 0) == 0 || path.rfind("capi/", 0) == 0) &&
         (path.find(".cc") == path.size() - 3 ||
          path.find(".h") == path.size() - 2);
}

void AddLiterals(const std::string& text, std::set<std::string>* literals) {
  static const std::regex kLiteral("\"([^\"\\\\]*)\"");
  for (std::sregex_iterator it(text.begin(), text.end(), kLiteral), end;
       it != end; ++it) {
    literals->insert((*it)[1]);
  }
}

// From an opening parenthesis to the one that closes it.
std::string Arguments(const std::string& text, size_t open) {
  int depth = 0;
  size_t at = open;
  for (; at < text.size(); ++at) {
    if (text[at] == '(') ++depth;
    if (text[at] == ')' && --depth == 0) break;
  }
  return text.substr(open, at - open);
}

// What functions that report are called with, what Diagnose may answer, and
// what follows the library's name in other lines.
std::set<std::string> MessagesIn(const std::string& source) {
  std::set<std::string> messages;
  static const std::regex kReport(R"((Report\w*|Complain|->Is|\.Is)\()");
  for (std::sregex_iterator it(source.begin(), source.end(), kReport), end;
       it != end; ++it) {
    const auto open = static_cast<size_t>(it->position() + it->length()) - 1;
    AddLiterals(Arguments(source, open), &messages);
  }
  const size_t diagnose = source.find("::Diagnose(");
  if (diagnose != std::string::npos) {
    AddLiterals(source.substr(diagnose, source.find("\n}\n", diagnose)),
                &messages);
  }
  static const std::regex kOther("\"myonlymalloc: ([^\"\\\\]+)");
  for (std::sregex_iterator it(source.begin(), source.end(), kOther), end;
       it != end; ++it) {
    messages.insert((*it)[1]);
  }
  return messages;
}

std::set<std::string> AllMessages() {
  std::set<std::string> messages;
  for (const auto& [path, text] : ProjectFiles()) {
    if (!IsSource(path) || path == "allocator/base/check.h") continue;
    for (const std::string& message : MessagesIn(text)) {
      messages.insert(message);
    }
  }
  return messages;
}

bool IsNamed(const std::string& page, const std::string& message) {
  return page.find("`" + message) != std::string::npos ||
         page.find(": " + message + " at 0x") != std::string::npos;
}

TEST(ErrorsTest, EveryMessageIsOnThePage) {
  const std::string& page = ProjectFiles().at("docs/errors.md");
  const std::set<std::string> messages = AllMessages();
  EXPECT_GT(messages.size(), 40u);
  EXPECT_EQ(messages.count("double free"), 1u);
  EXPECT_EQ(messages.count("wrong victim"), 1u);
  for (const std::string& message : messages) {
    EXPECT_TRUE(IsNamed(page, message)) << message;
  }
}

TEST(ErrorsTest, EveryMessageOfThePageIsOne) {
  const std::string& page = ProjectFiles().at("docs/errors.md");
  std::string all;
  for (const auto& [path, text] : ProjectFiles()) {
    if (IsSource(path)) all += text;
  }
  static const std::regex kRow(R"(\n- `([^`]+)`)");
  int rows = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), kRow), end; it != end;
       ++it) {
    const std::string message = (*it)[1];
    if (message.rfind("NAME=", 0) == 0) continue;  // in several parts
    ++rows;
    EXPECT_NE(all.find(message), std::string::npos) << message;
  }
  EXPECT_GT(rows, 40);
}

TEST(ErrorsTest, MissingMessagesAreSeen) {
  const std::set<std::string> messages = MessagesIn(
      "  ReportAndAbort(is_free ? \"one\" : \"two\", ptr);\n"
      "  return broken->Is(\n      \"three\", Find(ptr));\n"
      "  line.Text(\"myonlymalloc: four\");\n  Text(\"five\");\n");
  EXPECT_EQ(messages, (std::set<std::string>{"one", "two", "three", "four"}));
  EXPECT_FALSE(IsNamed(ProjectFiles().at("docs/errors.md"), "one"));
}

}  // namespace
}  // namespace myonly::testing
