#include "tests/support/browser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

std::string WithoutTags(const std::string& html) {
  std::string text;
  bool inside = false;
  for (const char letter : html) {
    if (letter == '<') inside = true;
    if (!inside) text += letter;
    if (letter == '>') inside = false;
  }
  return text;
}

}  // namespace

bool HaveBrowser() {
  ChildOptions child;
  child.argv = {"chromium", "--version"};
  return RunChild(child).Succeeded();
}

std::string OpenInBrowser(const std::string& page, const std::string& hash) {
  return OpenUrlInBrowser("file://" + page + (hash.empty() ? "" : "#" + hash));
}

std::string OpenUrlInBrowser(const std::string& url) {
  const TempDirectory profile;
  ChildOptions child;
  // Its own sandbox needs rights that root and containers don't have.
  child.argv = {"chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--user-data-dir=" + profile.path(),
                "--window-size=1000,900",
                "--virtual-time-budget=5000",
                "--dump-dom",
                url};
  child.environment = {{"HOME", profile.path()}};
  child.timeout_seconds = 90;
  const ChildResult result = RunChild(child);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  return result.out;
}

std::string Between(const std::string& text, const std::string& start,
                    const std::string& end) {
  const size_t from = text.find(start);
  const size_t to =
      from == std::string::npos ? from : text.find(end, from + start.size());
  if (to == std::string::npos) {
    ADD_FAILURE() << "no \"" << start << "\" with a \"" << end << "\" behind";
    return "";
  }
  return text.substr(from + start.size(), to - from - start.size());
}

int CountOf(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

std::vector<std::string> TextsOf(const std::string& html,
                                 const std::string& name) {
  std::vector<std::string> texts;
  const std::string end = "</" + name.substr(0, name.find(' ')) + ">";
  const std::string start = "<" + name;
  for (size_t at = html.find(start); at != std::string::npos;
       at = html.find(start, at + 1)) {
    const char next = html[at + start.size()];
    if (next != '>' && next != ' ') continue;
    const size_t open = html.find('>', at) + 1;
    texts.push_back(WithoutTags(html.substr(open, html.find(end, at) - open)));
  }
  return texts;
}

}  // namespace myonly::testing
