// docs/options.md tells of every option what the table of the code tells.
#include <fstream>
#include <string>
#include <vector>

#include "allocator/options/options.h"
#include "gtest/gtest.h"
#include "tests/support/runfiles.h"

namespace myonly::internal {
namespace {

void AppendRow(void* ctx, const char* name, const char* type, const char* value,
               const char* help) {
  const std::string text = value;
  const std::string shown = text == "nullptr" ? "none" : "`" + text + "`";
  static_cast<std::vector<std::string>*>(ctx)->push_back(
      "| `" + std::string(name) + "` | " + type + " | " + shown + " | " + help +
      " |");
}

// As the document must have them.
std::vector<std::string> RowsOfTheTable() {
  std::vector<std::string> rows;
  VisitOptions(AppendRow, &rows);
  return rows;
}

// Every line that looks like the row of an option.
std::vector<std::string> RowsOfTheDocument() {
  std::ifstream file(myonly::testing::RunfilePath("docs/options.md"));
  EXPECT_TRUE(file.is_open());
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| `", 0) == 0) rows.push_back(line);
  }
  return rows;
}

TEST(OptionsDocTest, ListsEveryOptionOfTheTableAndNoOther) {
  const std::vector<std::string> wanted = RowsOfTheTable();
  std::string text;
  for (const std::string& row : wanted) text += row + "\n";
  EXPECT_EQ(RowsOfTheDocument(), wanted)
      << "docs/options.md should have these rows:\n"
      << text;
}

}  // namespace
}  // namespace myonly::internal
