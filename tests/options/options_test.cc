// The table of options: each row is read from its variable, what is wrong is
// told and ignored, and nothing else is touched.
#include "allocator/options/options.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

struct Row {
  std::string name;
  std::string type;
  std::string value;
  std::string help;
};

std::vector<Row> Table() {
  std::vector<Row> rows;
  VisitOptions(
      [](void* ctx, const char* name, const char* type, const char* value,
         const char* help) {
        static_cast<std::vector<Row>*>(ctx)->push_back(
            {name, type, value, help});
      },
      &rows);
  return rows;
}

// All fields as text, in the order of the table.
std::string Text(OptionFlag value) { return value ? "1" : "0"; }
std::string Text(OptionSize value) { return std::to_string(value); }
std::string Text(OptionText value) {
  return value == nullptr ? "nullptr" : value;
}
std::vector<std::string> Fields(const Options& options) {
  return {
#define MYONLY_OPTION(type, field, name, value, help) Text(options.field),
#include "allocator/options/options.def"
#undef MYONLY_OPTION
  };
}

using Complaints = std::vector<std::pair<std::string, std::string>>;

// What the callback, which has no context, was told since the last Parse.
Complaints complaints;

void Complain(const char* variable, const char* problem) {
  complaints.emplace_back(variable, problem);
}

// Reads `variables` over the defaults. Texts in the result point into them.
Options Parse(const std::vector<std::string>& variables) {
  complaints.clear();
  std::vector<const char*> environment;
  for (const std::string& variable : variables) {
    environment.push_back(variable.c_str());
  }
  environment.push_back(nullptr);
  Options options;
  ParseOptions(environment.data(), &options, Complain);
  return options;
}

// The fields after reading one variable that no complaint is made about.
std::vector<std::string> Accepted(const std::string& variable) {
  const std::vector<std::string> variables = {variable};
  std::vector<std::string> fields = Fields(Parse(variables));
  EXPECT_EQ(complaints, Complaints()) << variable;
  return fields;
}

void ExpectRefused(const std::string& variable, const std::string& problem) {
  const std::vector<std::string> variables = {variable};
  EXPECT_EQ(Fields(Parse(variables)), Fields(Options())) << variable;
  ASSERT_EQ(complaints.size(), 1U) << variable;
  EXPECT_EQ(complaints[0].first, variable);
  EXPECT_EQ(complaints[0].second, problem) << variable;
}

std::vector<Row> RowsOfType(const std::string& type) {
  std::vector<Row> rows;
  for (const Row& row : Table()) {
    if (row.type == type) rows.push_back(row);
  }
  return rows;
}

// Accepts `text` for row `index`, which then reads `value`; no other changes.
void ExpectTaken(size_t index, const std::string& text,
                 const std::string& value) {
  std::vector<std::string> wanted = Fields(Options());
  wanted[index] = value;
  EXPECT_EQ(Accepted(Table()[index].name + "=" + text), wanted);
}

TEST(OptionTableTest, VisitsEveryRowOnceInItsOrder) {
  std::vector<std::string> names;
  for (const Row& row : Table()) names.push_back(row.name);
  const std::vector<std::string> wanted = {
#define MYONLY_OPTION(type, field, name, value, help) "MYONLY_" name,
#include "allocator/options/options.def"
#undef MYONLY_OPTION
  };
  EXPECT_EQ(names, wanted);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(),
            names.size());
}

TEST(OptionTableTest, EveryRowHasATypeAndAHelp) {
  const std::set<std::string> types = {"Flag", "Size", "Text"};
  for (const Row& row : Table()) {
    EXPECT_EQ(types.count(row.type), 1U) << row.name;
    EXPECT_GT(row.help.size(), 10U) << row.name;
    EXPECT_EQ(row.help.find('\n'), std::string::npos) << row.name;
  }
}

TEST(OptionTableTest, DefaultsAreWhatTheTableTells) {
  const std::vector<std::string> fields = Fields(Options());
  const std::vector<Row> rows = Table();
  ASSERT_EQ(rows.size(), fields.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(fields[i], rows[i].value) << rows[i].name;
  }
}

TEST(ParseOptionsTest, EveryRowIsReadFromItsVariable) {
  const std::vector<Row> rows = Table();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].type == "Flag") {
      ExpectTaken(i, "1", "1");
      ExpectTaken(i, "0", "0");
    } else if (rows[i].type == "Size") {
      ExpectTaken(i, "12345", "12345");
      ExpectTaken(i, "0", "0");
    } else {
      ExpectTaken(i, "/some/file", "/some/file");
    }
  }
}

TEST(ParseOptionsTest, SeveralAreReadTogether) {
  const std::vector<std::string> variables = {"PATH=/bin", "MYONLY_VERBOSE=1",
                                              "HOME=/", "MYONLY_HUGE_CACHE=7",
                                              "MYONLY_STATS_FILE=x"};
  const Options options = Parse(variables);
  EXPECT_TRUE(options.verbose);
  EXPECT_EQ(options.huge_cache, 7U);
  EXPECT_STREQ(options.stats_file, "x");
  EXPECT_FALSE(options.help);
  EXPECT_EQ(complaints, Complaints());
}

TEST(ParseOptionsTest, NoEnvironmentIsNoChange) {
  complaints.clear();
  Options options;
  ParseOptions(nullptr, &options, Complain);
  EXPECT_EQ(Fields(options), Fields(Options()));
  EXPECT_EQ(Fields(Parse({})), Fields(Options()));
  EXPECT_EQ(complaints, Complaints());
}

TEST(ParseOptionsTest, SizesMayHaveAUnit) {
  const std::vector<std::pair<std::string, size_t>> sizes = {
      {"1K", size_t{1} << 10},
      {"64K", size_t{64} << 10},
      {"3M", size_t{3} << 20},
      {"2G", size_t{2} << 30},
      {"007", 7},
      {"0G", 0},
      {"18446744073709551615", SIZE_MAX},
      {"18014398509481983K", SIZE_MAX - 1023},
      {"17179869183G", SIZE_MAX - ((size_t{1} << 30) - 1)},
  };
  for (const auto& [text, value] : sizes) {
    const std::vector<std::string> variables = {"MYONLY_HUGE_CACHE=" + text};
    EXPECT_EQ(Parse(variables).huge_cache, value) << text;
    EXPECT_EQ(complaints, Complaints()) << text;
  }
}

TEST(ParseOptionsTest, BadSizesAreToldAndIgnored) {
  for (const Row& row : RowsOfType("Size")) {
    for (const char* text :
         {"", "K", "-1", "+1", " 1", "1 ", "1k", "1KB", "1KK", "1T", "0x10",
          "1.5M", "ten", "18446744073709551616", "99999999999999999999",
          "18014398509481984K", "17592186044416M", "17179869184G"}) {
      ExpectRefused(row.name + "=" + text,
                    "has a bad value (a Size is wanted)");
    }
  }
}

TEST(ParseOptionsTest, BadFlagsAreToldAndIgnored) {
  for (const Row& row : RowsOfType("Flag")) {
    for (const char* text : {"", "2", "-1", "01", "10", "yes", "true", " 1"}) {
      ExpectRefused(row.name + "=" + text,
                    "has a bad value (a Flag is wanted)");
    }
  }
}

TEST(ParseOptionsTest, EmptyTextsAreToldAndIgnored) {
  for (const Row& row : RowsOfType("Text")) {
    ExpectRefused(row.name + "=", "has a bad value (a Text is wanted)");
  }
}

TEST(ParseOptionsTest, TextsMayHaveAnyCharacter) {
  const std::vector<std::string> variables = {"MYONLY_STATS_FILE==a b=1,%d"};
  EXPECT_STREQ(Parse(variables).stats_file, "=a b=1,%d");
  EXPECT_EQ(complaints, Complaints());
}

TEST(ParseOptionsTest, UnknownNamesAreToldAndIgnored) {
  for (const char* variable :
       {"MYONLY_NO_SUCH_THING=1", "MYONLY_=1", "MYONLY_=", "MYONLY_",
        "MYONLY_VERBOS=1", "MYONLY_VERBOSEX=1", "MYONLY_VERBOSE",
        "MYONLY_verbose=1", "MYONLY_ VERBOSE=1", "MYONLY_FUZZ=1",
        "MYONLY_DEPS_TOO=1"}) {
    ExpectRefused(variable, "is not an option");
  }
}

TEST(ParseOptionsTest, OtherVariablesAreNotLookedAt) {
  for (const char* variable : {"VERBOSE=1", "MYONLY=1", "MYONLYX=1", "=",
                               "myonly_verbose=1", "XMYONLY_VERBOSE=1", ""}) {
    EXPECT_EQ(Accepted(variable), Fields(Options())) << variable;
  }
}

// tools/bazel, tools/check and tools/forky read them.
TEST(ParseOptionsTest, VariablesOfTheToolsAreNotWrong) {
  for (const char* name : {"BOOTSTRAP", "DEPS", "FORKY_ROOT", "FUZZ_SECONDS"}) {
    const std::string variable = "MYONLY_" + std::string(name) + "=1";
    EXPECT_EQ(Accepted(variable), Fields(Options())) << variable;
  }
}

TEST(ParseOptionsTest, ABadValueLeavesTheOthersAlone) {
  const std::vector<std::string> variables = {
      "MYONLY_HUGE_CACHE=1", "MYONLY_NONSENSE=1", "MYONLY_DIRTY_FLOOR=x",
      "MYONLY_VERBOSE=1"};
  const Options options = Parse(variables);
  EXPECT_EQ(options.huge_cache, 1U);
  EXPECT_EQ(options.dirty_floor, Options().dirty_floor);
  EXPECT_TRUE(options.verbose);
  ASSERT_EQ(complaints.size(), 2U);
  EXPECT_EQ(complaints[0].first, "MYONLY_NONSENSE=1");
  EXPECT_EQ(complaints[1].first, "MYONLY_DIRTY_FLOOR=x");
}

}  // namespace
}  // namespace myonly::internal
