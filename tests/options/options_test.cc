#include "allocator/options/options.h"

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

std::vector<std::string>& Complaints() {
  static auto* complaints = new std::vector<std::string>();
  return *complaints;
}

// Parses these variables; complaints are in Complaints().
Options Parse(std::vector<const char*> environment) {
  Complaints().clear();
  environment.push_back(nullptr);
  Options options;
  ParseOptions(environment.data(), &options,
               [](const char* variable, const char* problem) {
                 Complaints().push_back(std::string(variable) + " " + problem);
               });
  return options;
}

TEST(OptionsTest, DefaultsWithoutAnEnvironment) {
  Options options;
  ParseOptions(nullptr, &options, nullptr);
  EXPECT_FALSE(options.help);
  EXPECT_FALSE(options.verbose);
  EXPECT_EQ(options.stats_file, nullptr);
  EXPECT_EQ(options.dirty_floor, size_t{4} << 20);
  EXPECT_EQ(options.huge_cache, size_t{16} << 20);
}

TEST(OptionsTest, EachOptionIsRead) {
  const Options options =
      Parse({"PATH=/bin", "MYONLY_HELP=1", "MYONLY_VERBOSE=1",
             "MYONLY_STATS_FILE=/tmp/x", "MYONLY_DIRTY_FLOOR=123",
             "MYONLY_HUGE_CACHE=2M"});
  EXPECT_TRUE(options.help);
  EXPECT_TRUE(options.verbose);
  EXPECT_STREQ(options.stats_file, "/tmp/x");
  EXPECT_EQ(options.dirty_floor, 123U);
  EXPECT_EQ(options.huge_cache, size_t{2} << 20);
  EXPECT_TRUE(Complaints().empty());
}

TEST(OptionsTest, SizesHaveUnits) {
  EXPECT_EQ(Parse({"MYONLY_HUGE_CACHE=0"}).huge_cache, 0U);
  EXPECT_EQ(Parse({"MYONLY_HUGE_CACHE=3K"}).huge_cache, 3072U);
  EXPECT_EQ(Parse({"MYONLY_HUGE_CACHE=1G"}).huge_cache, size_t{1} << 30);
  EXPECT_EQ(Parse({"MYONLY_HUGE_CACHE=18446744073709551615"}).huge_cache,
            ~size_t{0});
}

TEST(OptionsTest, ABadValueNamesItselfAndIsIgnored) {
  for (const char* variable :
       {"MYONLY_VERBOSE=yes", "MYONLY_VERBOSE=", "MYONLY_VERBOSE=10",
        "MYONLY_HUGE_CACHE=", "MYONLY_HUGE_CACHE=-1", "MYONLY_HUGE_CACHE=1T",
        "MYONLY_HUGE_CACHE=1KB", "MYONLY_HUGE_CACHE=18446744073709551616",
        "MYONLY_HUGE_CACHE=17179869184G", "MYONLY_STATS_FILE="}) {
    const Options options = Parse({variable});
    ASSERT_EQ(Complaints().size(), 1U) << variable;
    EXPECT_EQ(Complaints()[0].find(std::string(variable) + " has a bad value"),
              0U);
    EXPECT_FALSE(options.verbose);
    EXPECT_EQ(options.huge_cache, size_t{16} << 20);
    EXPECT_EQ(options.stats_file, nullptr);
  }
}

TEST(OptionsTest, AnUnknownNameIsTold) {
  Parse({"MYONLY_VERBOS=1", "MYONLY_VERBOSEX=1", "MYONLY_=1", "MYONLYX=1"});
  ASSERT_EQ(Complaints().size(), 3U);
  EXPECT_EQ(Complaints()[0], "MYONLY_VERBOS=1 is not an option");
}

TEST(OptionsTest, VariablesOfTheToolsAreNotWrong) {
  Parse({"MYONLY_BOOTSTRAP=1", "MYONLY_DEPS=system", "MYONLY_FORKY_ROOT=/x",
         "MYONLY_FUZZ_SECONDS=3"});
  EXPECT_TRUE(Complaints().empty());
}

TEST(OptionsTest, TheTableHasEachOptionOnce) {
  std::vector<std::string> names;
  VisitOptions(
      [](void* ctx, const char* name, const char* type, const char* value,
         const char* help) {
        static_cast<std::vector<std::string>*>(ctx)->emplace_back(name);
        EXPECT_EQ(strncmp(name, "MYONLY_", 7), 0);
        EXPECT_NE(*type, '\0');
        EXPECT_NE(*value, '\0');
        EXPECT_NE(*help, '\0');
      },
      &names);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "MYONLY_HELP", "MYONLY_VERBOSE", "MYONLY_STATS_FILE",
                       "MYONLY_DIRTY_FLOOR", "MYONLY_HUGE_CACHE"}));
}

}  // namespace
}  // namespace myonly::internal
