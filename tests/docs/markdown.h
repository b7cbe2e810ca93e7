// Reads what the tests of the documents need out of a Markdown file: links,
// headings, code. Not a whole parser: no HTML, no nested blocks.
#ifndef MYONLY_TESTS_DOCS_MARKDOWN_H_
#define MYONLY_TESTS_DOCS_MARKDOWN_H_

#include <string>
#include <vector>

namespace myonly::testing {

struct CodeBlock {
  int line = 0;          // of the opening fence, counted from 1
  std::string language;  // what follows the fence; may be empty
  std::string source;    // FILE, if the line before is <!-- FILE -->
  std::string text;      // with a newline at the end of each line
};

struct Markdown {
  std::vector<std::string> links;    // targets, inline and by reference
  std::vector<std::string> anchors;  // of the headings, as GitHub makes them
  std::vector<std::string> code;     // `inline code`
  std::vector<CodeBlock> blocks;
  std::vector<std::vector<std::string>> rows;  // cells of tables' lines
};

Markdown ParseMarkdown(const std::string& text);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_DOCS_MARKDOWN_H_
