// docs/options.md has one row for each row of the table, in its order.
#include <fstream>
#include <string>
#include <vector>

#include "allocator/options/options.h"
#include "gtest/gtest.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

TEST(OptionsDocumentTest, EqualsTheTable) {
  std::vector<std::string> expected;
  internal::VisitOptions(
      [](void* ctx, const char* name, const char* type, const char* value,
         const char* help) {
        const std::string shown =
            std::string(value) == "nullptr" ? "none" : value;
        static_cast<std::vector<std::string>*>(ctx)->push_back(
            std::string("| `") + name + "` | " + type + " | " + shown + " | " +
            help + " |");
      },
      &expected);
  std::ifstream file(RunfilePath("docs/options.md"));
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| `MYONLY_", 0) == 0) rows.push_back(line);
  }
  EXPECT_EQ(rows, expected);
}

}  // namespace
}  // namespace myonly::testing
