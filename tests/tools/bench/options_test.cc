#include "tools/bench/options.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace myonly::bench {
namespace {

std::string Wrong(const std::vector<std::string>& arguments) {
  Options options;
  return ParseOptions(arguments, &options);
}

using Variables = std::vector<std::pair<std::string, std::string>>;

TEST(BenchOptionsTest, BothFormsOfAValueAreTaken) {
  Options options;
  EXPECT_EQ(ParseOptions({"--rounds", "7", "--scale=0.5", "--timeout", "9",
                          "--json=a.json", "--report", "b.html"},
                         &options),
            "");
  EXPECT_EQ(options.rounds, 7);
  EXPECT_DOUBLE_EQ(options.scale, 0.5);
  EXPECT_DOUBLE_EQ(options.timeout_seconds, 9);
  EXPECT_EQ(options.json_file, "a.json");
  EXPECT_EQ(options.report_file, "b.html");
}

TEST(BenchOptionsTest, WorkloadsAddUpAndSplitAtCommas) {
  Options options;
  EXPECT_EQ(ParseOptions({"--workload=a,b*", "--workload", "c"}, &options), "");
  EXPECT_EQ(options.workloads, (std::vector<std::string>{"a", "b*", "c"}));
}

TEST(BenchOptionsTest, WrongOptionsNameThemselves) {
  EXPECT_NE(Wrong({"--frob"}).find("--frob"), std::string::npos);
  EXPECT_NE(Wrong({"stray"}).find("stray"), std::string::npos);
  EXPECT_NE(Wrong({"--list=x"}).find("--list=x"), std::string::npos);
  EXPECT_NE(Wrong({"--json"}).find("--json"), std::string::npos);
  EXPECT_NE(Wrong({"--json="}).find("--json"), std::string::npos);
  for (const char* value : {"0", "-1", "1.5", "x", "3x", "nan", "1001"}) {
    const std::string wrong = Wrong({"--rounds", value});
    EXPECT_NE(wrong.find(std::string("--rounds=") + value), std::string::npos);
  }
  for (const char* option : {"--scale", "--timeout"}) {
    EXPECT_NE(Wrong({option, "0"}).find(option), std::string::npos);
    EXPECT_NE(Wrong({option, "inf"}).find(option), std::string::npos);
  }
}

TEST(BenchOptionsTest, AllocatorHasPathAndEnvironment) {
  Allocator allocator;
  ASSERT_TRUE(
      ParseAllocator("je=/lib/je.so,MALLOC_CONF=a:1,b:2,X_1=", &allocator));
  EXPECT_EQ(allocator.name, "je");
  EXPECT_EQ(allocator.path, "/lib/je.so");
  EXPECT_EQ(allocator.environment,
            (Variables{{"MALLOC_CONF", "a:1,b:2"}, {"X_1", ""}}));
}

TEST(BenchOptionsTest, AllocatorByNameHasNoPath) {
  Allocator allocator;
  ASSERT_TRUE(ParseAllocator("mimalloc,MIMALLOC_VERBOSE=1", &allocator));
  EXPECT_EQ(allocator.name, "mimalloc");
  EXPECT_EQ(allocator.path, "");
  EXPECT_EQ(allocator.environment, (Variables{{"MIMALLOC_VERBOSE", "1"}}));
}

TEST(BenchOptionsTest, MalformedAndRepeatedAllocatorsAreRefused) {
  for (const char* text :
       {"=x.so", "a=", ",A=1", "a=x.so,1=2", "a=x.so,word"}) {
    const std::string wrong = Wrong({"--allocator", text});
    EXPECT_NE(wrong.find(text), std::string::npos) << text;
  }
  EXPECT_NE(Wrong({"--allocator=a=x.so", "--allocator=a=y.so"}), "");
  EXPECT_NE(Wrong({"--allocator=glibc"}), "");
  EXPECT_NE(Wrong({"--allocator=myonly=x.so"}), "");
}

TEST(BenchOptionsTest, UsageNamesEveryOption) {
  for (const char* option :
       {"--allocator", "--workload", "--list", "--rounds", "--scale",
        "--timeout", "--json", "--report", "--help"}) {
    EXPECT_NE(Usage().find(option), std::string::npos) << option;
  }
}

}  // namespace
}  // namespace myonly::bench
