// Status codes, the last status of a thread, versions.
#include <errno.h>
#include <stdint.h>

#include <set>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

TEST(StatusTest, EachHasATextOfItsOwn) {
  std::set<std::string> texts;
  for (myonly_status status = MYONLY_ERR_OS; status <= MYONLY_OK; ++status) {
    const char* text = myonly_status_str(status);
    ASSERT_NE(text, nullptr);
    EXPECT_FALSE(std::string(text).empty());
    texts.insert(text);
  }
  EXPECT_EQ(texts.size(), 9u);
  EXPECT_EQ(texts.count("unknown status"), 0u);
}

TEST(StatusTest, OthersAreUnknown) {
  for (myonly_status status : {1, -9, 1000, INT32_MIN, INT32_MAX}) {
    EXPECT_STREQ(myonly_status_str(status), "unknown status");
  }
}

TEST(LastStatusTest, IsOkUntilSomethingFails) {
  myonly_status status = MYONLY_ERR_OS;
  std::thread([&status] { status = myonly_last_status(); }).join();
  EXPECT_EQ(status, MYONLY_OK);
}

TEST(LastStatusTest, SuccessLeavesItAsItWas) {
  EXPECT_EQ(myonly_aligned_alloc(3, 10), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
  void* block = myonly_alloc(10);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
  myonly_free(block);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
  EXPECT_EQ(myonly_calloc(SIZE_MAX, SIZE_MAX), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
}

TEST(LastStatusTest, IsThreadsOwn) {
  EXPECT_EQ(myonly_aligned_alloc(3, 10), nullptr);
  std::thread([] {
    EXPECT_EQ(myonly_last_status(), MYONLY_OK);
    EXPECT_EQ(myonly_arena_create(nullptr, nullptr), MYONLY_ERR_INVALID);
    myonly_arena* arena = nullptr;
    ASSERT_EQ(myonly_arena_create(nullptr, &arena), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, 0), MYONLY_OK);
    EXPECT_EQ(myonly_arena_destroy(arena, 0), MYONLY_ERR_STALE);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_STALE);
  }).join();
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_INVALID);
}

TEST(VersionTest, TextAndNumberAgree) {
  const uint32_t version = myonly_version();
  EXPECT_EQ(std::to_string(version >> 16) + "." +
                std::to_string(version >> 8 & 255) + "." +
                std::to_string(version & 255),
            myonly_version_str());
}

// This program has the C API in its deps, and that overrides nothing. What a
// program says whose malloc is the library's is in the tests of the override.
TEST(IsProcessAllocatorTest, IsZeroWithoutTheOverride) {
  EXPECT_EQ(myonly_is_process_allocator(), 0);
}

}  // namespace
