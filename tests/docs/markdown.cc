#include "tests/docs/markdown.h"

#include <cctype>
#include <regex>
#include <sstream>
#include <string>

namespace myonly::testing {
namespace {

bool StartsWith(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Lower case, words joined by dashes, punctuation dropped.
std::string AnchorOf(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '_' || c == '-') {
      anchor += static_cast<char>(std::tolower(byte));
    } else if (c == ' ') {
      anchor += '-';
    }
  }
  return anchor;
}

std::string TakeInlineCode(const std::string& line,
                           std::vector<std::string>* code) {
  static const std::regex kCode("`([^`]+)`");
  for (std::sregex_iterator it(line.begin(), line.end(), kCode), end; it != end;
       ++it) {
    code->push_back((*it)[1]);
  }
  return std::regex_replace(line, kCode, "");
}

void TakeLinks(const std::string& line, std::vector<std::string>* links) {
  static const std::regex kInline(R"(\]\(([^) ]+)\))");
  static const std::regex kReference(R"(^\[[^\]]+\]: +(\S+))");
  for (std::sregex_iterator it(line.begin(), line.end(), kInline), end;
       it != end; ++it) {
    links->push_back((*it)[1]);
  }
  std::smatch match;
  if (std::regex_search(line, match, kReference)) links->push_back(match[1]);
}

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream parts(line.substr(1));
  for (std::string cell; std::getline(parts, cell, '|');) {
    cells.push_back(Trim(cell));
  }
  return cells;
}

std::string SourceOf(const std::string& line) {
  static const std::regex kComment("<!-- (\\S+) -->");
  std::smatch match;
  return std::regex_match(line, match, kComment) ? match[1].str() : "";
}

}  // namespace

Markdown ParseMarkdown(const std::string& text) {
  Markdown result;
  std::istringstream lines(text);
  std::string previous;
  bool in_block = false;
  int number = 0;
  for (std::string line; std::getline(lines, line); previous = line) {
    ++number;
    if (StartsWith(line, "```")) {
      in_block = !in_block;
      if (in_block) {
        result.blocks.push_back(
            {number, line.substr(3), SourceOf(previous), ""});
      }
      continue;
    }
    if (in_block) {
      result.blocks.back().text += line + "\n";
      continue;
    }
    if (StartsWith(line, "|")) result.rows.push_back(Cells(line));
    const size_t title = line.find_first_not_of('#');
    if (title != 0 && title != std::string::npos) {
      result.anchors.push_back(AnchorOf(Trim(line.substr(title))));
    }
    TakeLinks(TakeInlineCode(line, &result.code), &result.links);
  }
  return result;
}

}  // namespace myonly::testing
