#include "allocator/pages/metadata_allocator.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
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

TEST(MetadataAllocatorTest, APieceMayFillAChunkButNotMore) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  auto* piece =
      static_cast<char*>(metadata.Allocate(MetadataAllocator::kChunkBytes));
  ASSERT_NE(piece, nullptr);
  memset(piece, 1, MetadataAllocator::kChunkBytes);
  EXPECT_EQ(metadata.reserved_bytes(), MetadataAllocator::kChunkBytes);
  EXPECT_DEATH(metadata.Allocate(MetadataAllocator::kChunkBytes + 1),
               "check failed");
}

TEST(MetadataAllocatorTest, WhatIsTooLargeForTheRestComesFromTheNextChunk) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  ASSERT_NE(metadata.Allocate(MetadataAllocator::kChunkBytes - 64), nullptr);
  auto* piece = static_cast<char*>(metadata.Allocate(65));
  ASSERT_NE(piece, nullptr);
  memset(piece, 1, 65);
  EXPECT_EQ(pages.Count(FakePageSource::Verb::kReserve), 2U);
  EXPECT_EQ(metadata.reserved_bytes(), 2 * MetadataAllocator::kChunkBytes);
}

TEST(MetadataAllocatorTest, AFailureLosesNothingOfTheChunk) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  ASSERT_NE(metadata.Allocate(MetadataAllocator::kChunkBytes - 64), nullptr);
  pages.FailFrom(0);
  EXPECT_EQ(metadata.Allocate(128), nullptr);
  EXPECT_NE(metadata.Allocate(64), nullptr);
  EXPECT_EQ(metadata.Allocate(64), nullptr);
}

// Up to a page. What is left out before a piece is all that one costs.
TEST(MetadataAllocatorTest, PiecesAreAlignedAsTheyAreWanted) {
  constexpr size_t kChunk = MetadataAllocator::kChunkBytes;
  for (size_t alignment = 64; alignment <= 4096; alignment *= 2) {
    FakePageSource pages;
    MetadataAllocator metadata(pages);
    ASSERT_NE(metadata.Allocate(1), nullptr);
    // To the very end of the chunk, and then from the start of the next one.
    for (const size_t bytes : {kChunk - alignment, kChunk - alignment + 1}) {
      auto* piece = static_cast<char*>(metadata.Allocate(bytes, alignment));
      ASSERT_NE(piece, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % alignment, 0U);
      for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(piece[i], 0);
      memset(piece, 1, bytes);
      EXPECT_EQ(pages.Count(FakePageSource::Verb::kReserve),
                bytes == kChunk - alignment ? 1U : 2U);
    }
    // The next one has what is left of that.
    EXPECT_NE(metadata.Allocate(64), nullptr);
    EXPECT_EQ(pages.Count(FakePageSource::Verb::kReserve),
              alignment == 64 ? 3U : 2U);
  }
}

// Whatever was to be left out in the chunk before.
TEST(MetadataAllocatorTest, APieceOfAWholeChunkBeginsWithIt) {
  FakePageSource pages;
  MetadataAllocator metadata(pages);
  ASSERT_NE(metadata.Allocate(64), nullptr);
  constexpr size_t kChunk = MetadataAllocator::kChunkBytes;
  auto* piece = static_cast<char*>(metadata.Allocate(kChunk, 4096));
  ASSERT_NE(piece, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 4096, 0U);
  EXPECT_EQ(pages.journal().back().bytes, kChunk);
  memset(piece, 1, kChunk);
  ASSERT_NE(metadata.Allocate(64), nullptr);
  EXPECT_EQ(metadata.reserved_bytes(), 3 * kChunk);
}

TEST(MetadataAllocatorTest, ThreadsGetPiecesOfTheirOwn) {
  MmapPageSource pages;
  MetadataAllocator metadata(pages);
  std::vector<std::thread> threads;
  std::atomic<int> errors{0};
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&metadata, &errors, t] {
      std::vector<char*> pieces;
      for (int i = 0; i < 2000; ++i) {
        pieces.push_back(static_cast<char*>(metadata.Allocate(100)));
        memset(pieces.back(), t, 100);
      }
      for (const char* piece : pieces) {
        for (int i = 0; i < 100; ++i) errors += piece[i] != t;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(errors, 0);
}

}  // namespace
}  // namespace myonly::internal
