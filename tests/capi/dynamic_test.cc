// The shared library loaded by dlopen, and linked against.
#include <filesystem>
#include <string>
#include <system_error>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

TEST(DlopenTest, ServesBesideLibcsMallocAndMayBeClosed) {
  ChildOptions options;
  options.argv = {RunfilePath("tests/capi/dlopen_program"),
                  RunfilePath("capi/libmyonlymalloc.so")};
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out, "ok\n");
}

// Its statistics are of use there, too, and written after a dlclose.
TEST(DlopenTest, WritesItsStatisticsAtExit) {
  const TempDirectory directory;
  const std::string path = directory.path() + "/stats";
  ChildOptions options;
  options.argv = {RunfilePath("tests/capi/dlopen_program"),
                  RunfilePath("capi/libmyonlymalloc.so")};
  options.environment = {{"MYONLY_STATS_FILE", path}};
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(LinkedAgainstTest, MallocAndTheApiShareAHeap) {
  const TempDirectory directory;
  std::error_code error;
  std::filesystem::create_symlink(RunfilePath("capi/libmyonlymalloc.so"),
                                  directory.path() + "/libmyonlymalloc.so.0",
                                  error);
  ASSERT_FALSE(error) << error.message();
  ChildOptions options;
  options.argv = {RunfilePath("tests/capi/dynamic_program")};
  options.environment = {{"LD_LIBRARY_PATH", directory.path()}};
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out, "0.1.0\n");
}

}  // namespace
}  // namespace myonly::testing
