#include "allocator/base/system_call.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(SystemCallTest, AFailureIsToldAndErrnoKept) {
  errno = 77;
  // Not a multiple of the page size.
  const long failed = SystemCall(SystemCallNumber::kMunmap, 1, 1);
  EXPECT_TRUE(SystemCallFailed(failed));
  EXPECT_EQ(failed, -EINVAL);
  EXPECT_EQ(errno, 77);
  EXPECT_FALSE(SystemCallFailed(0));
  // The highest addresses are results, the last 4095 are errors.
  EXPECT_FALSE(SystemCallFailed(-4096));
  EXPECT_TRUE(SystemCallFailed(-1));
}

TEST(SystemCallTest, TheLastErrorIsMinus4095) {
  EXPECT_TRUE(SystemCallFailed(-4095));
  EXPECT_FALSE(SystemCallFailed(-4097));
  EXPECT_FALSE(SystemCallFailed(1));
  EXPECT_FALSE(SystemCallFailed(LONG_MIN));
  EXPECT_FALSE(SystemCallFailed(LONG_MAX));
}

TEST(SystemCallTest, GivesTheResult) {
  EXPECT_EQ(SystemCall(SystemCallNumber::kGetPid), getpid());
}

// mmap takes six; the second page of a file needs all of them right.
TEST(SystemCallTest, PassesAllArguments) {
  constexpr size_t kPage = 4096;
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  const std::vector<char> content(kPage, 'a');
  ASSERT_EQ(fwrite(content.data(), 1, kPage, file), kPage);
  ASSERT_EQ(fwrite("second", 1, 6, file), 6U);
  ASSERT_EQ(fflush(file), 0);
  const long result =
      SystemCall(SystemCallNumber::kMmap, 0, kPage, PROT_READ, MAP_PRIVATE,
                 static_cast<unsigned long>(fileno(file)), kPage);
  ASSERT_FALSE(SystemCallFailed(result));
  EXPECT_STREQ(reinterpret_cast<const char*>(result), "second");
  EXPECT_EQ(munmap(reinterpret_cast<void*>(result), kPage), 0);
  fclose(file);
}

}  // namespace
}  // namespace myonly::internal
