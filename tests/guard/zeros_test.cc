#include "allocator/guard/zeros.h"

#include <cstring>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(ZerosTest, EachByteCounts) {
  alignas(16) char memory[256] = {};
  for (size_t bytes = 0; bytes <= sizeof(memory) - 16; bytes += 8) {
    EXPECT_TRUE(IsZero(memory, bytes));
    for (size_t i = 0; i < sizeof(memory); ++i) {
      memory[i] = static_cast<char>(0x80);
      EXPECT_EQ(IsZero(memory, bytes), i >= bytes) << bytes << " " << i;
      memory[i] = 0;
    }
  }
}

TEST(ZerosTest, ClearsWhatItShallAndNoMore) {
  alignas(16) char memory[1024];
  for (size_t bytes = 0; bytes <= sizeof(memory); bytes += 8) {
    memset(memory, 'x', sizeof(memory));
    Clear(memory, bytes);
    for (size_t i = 0; i < sizeof(memory); ++i) {
      ASSERT_EQ(memory[i], i < bytes ? 0 : 'x') << bytes << " " << i;
    }
  }
}

}  // namespace
}  // namespace myonly::internal
