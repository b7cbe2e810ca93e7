#include "allocator/guard/canary.h"

#include <cstring>

#include "allocator/base/guard_keys.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

class CanaryTest : public ::testing::Test {
 protected:
  CanaryTest() { MakeGuardKeys(); }
};

TEST_F(CanaryTest, TellsTheSize) {
  alignas(16) char block[2048];
  for (size_t bytes = 16; bytes <= sizeof(block); bytes += 16) {
    for (size_t size = 0; size + Canary::kBytes <= bytes;
         size += 1 + size / 9) {
      Canary::Write(block, bytes, size);
      size_t read = SIZE_MAX;
      ASSERT_TRUE(Canary::Read(block, bytes, &read));
      ASSERT_EQ(read, size);
      ASSERT_EQ(Canary::Peek(block, bytes), size);
    }
  }
}

// Whatever is written behind the payload, to where the pattern ends or to the
// last word.
TEST_F(CanaryTest, SeesEveryByte) {
  alignas(16) char block[128];
  for (size_t size = 0; size + Canary::kBytes <= sizeof(block); ++size) {
    for (size_t at = size; at < sizeof(block); ++at) {
      if (at >= size + Canary::kMostPattern &&
          at < sizeof(block) - Canary::kBytes) {
        continue;
      }
      Canary::Write(block, sizeof(block), size);
      block[at] = static_cast<char>(block[at] ^ 1);
      size_t read;
      ASSERT_FALSE(Canary::Read(block, sizeof(block), &read)) << size << at;
    }
  }
}

// The one byte that strings write too far.
TEST_F(CanaryTest, SeesAZeroBehindThePayload) {
  alignas(16) char block[64];
  for (size_t size = 0; size + Canary::kBytes <= sizeof(block); ++size) {
    Canary::Write(block, sizeof(block), size);
    block[size] = 0;
    size_t read;
    EXPECT_FALSE(Canary::Read(block, sizeof(block), &read)) << size;
  }
}

TEST_F(CanaryTest, CantBeCopied) {
  alignas(16) char blocks[2][64];
  Canary::Write(blocks[0], 64, 40);
  Canary::Write(blocks[1], 64, 40);
  EXPECT_NE(memcmp(blocks[0] + 56, blocks[1] + 56, 8), 0);
  memcpy(blocks[1], blocks[0], 64);
  size_t size;
  EXPECT_FALSE(Canary::Read(blocks[1], 64, &size));
}

}  // namespace
}  // namespace myonly::internal
