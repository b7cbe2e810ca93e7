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

TEST(DlopenTest, ServesBesideLibcsMallocAndMayBeClosedBeforeItsThreadsEnd) {
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

// Two files of the library, each with a heap of its own; malloc is libc's, or
// that of the first one.
class TwoCopiesTest : public ::testing::Test {
 protected:
  static ChildResult Run(const char* way, bool preload) {
    const TempDirectory directory;
    const std::string library = RunfilePath("capi/libmyonlymalloc.so");
    const std::string copy = directory.path() + "/libanother.so";
    std::filesystem::copy_file(library, copy);
    // What is preloaded is there already, and dlopen gives it once more.
    const std::string first = preload ? directory.path() + "/libthird.so" : "";
    if (preload) std::filesystem::copy_file(library, first);
    ChildOptions options;
    options.argv = {RunfilePath("tests/capi/two_copies_program"), way,
                    preload ? first : library, copy};
    if (preload) options.environment = {{"LD_PRELOAD", library}};
    // Of glibc's room for static TLS a namespace's libc takes its part.
    if (std::string(way) == "dlmopen") {
      options.environment = {
          {"GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=4096"}};
    }
    return RunChild(options);
  }
  static void ExpectGood(const ChildResult& result) {
    EXPECT_TRUE(result.Succeeded()) << result.Describe();
    EXPECT_EQ(result.out, "ok\n");
    EXPECT_EQ(result.err, "");
  }
};

TEST_F(TwoCopiesTest, ServeBesideLibcsMalloc) {
  ExpectGood(Run("dlopen", /*preload=*/false));
}

TEST_F(TwoCopiesTest, ServeBesideAThirdOneThatIsMalloc) {
  ExpectGood(Run("dlopen", /*preload=*/true));
}

TEST_F(TwoCopiesTest, ServeInANamespaceOfTheirOwn) {
  ExpectGood(Run("dlmopen", /*preload=*/false));
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
