#include "allocator/pages/metadata_allocator.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/pages/fake_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

TEST(MetadataAllocatorTest, PiecesAreZeroAlignedAndApart) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  const char* end = nullptr;
  for (size_t bytes = 1; bytes < 3000; bytes += 37) {
    auto* piece = static_cast<char*>(metadata.Allocate(bytes));
    ASSERT_NE(piece, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 64, 0U);
    for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(piece[i], 0);
    memset(piece, 0xff, bytes);  // shows in the next piece if they overlap
    end = piece + bytes;
  }
  EXPECT_NE(end, nullptr);
  EXPECT_EQ(metadata.reserved_bytes(), pages.reserved_bytes());
}

TEST(MetadataAllocatorTest, OneChunkServesManyPieces) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  for (size_t i = 0; i < MetadataAllocator::kChunkBytes / 64; ++i) {
    ASSERT_NE(metadata.Allocate(64), nullptr);
  }
  EXPECT_EQ(pages.Count(FakePageSource::Verb::kReserve), 1U);
  ASSERT_NE(metadata.Allocate(64), nullptr);
  EXPECT_EQ(pages.Count(FakePageSource::Verb::kReserve), 2U);
}

TEST(MetadataAllocatorTest, AFailureIsToldAndPasses) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  pages.FailCall(0);
  EXPECT_EQ(metadata.Allocate(64), nullptr);
  EXPECT_EQ(metadata.reserved_bytes(), 0U);
  EXPECT_NE(metadata.Allocate(64), nullptr);
}

}  // namespace
}  // namespace myonly::internal
