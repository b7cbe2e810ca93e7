#include "allocator/guard/apart_metadata.h"

#include <set>

#include "allocator/base/guard_keys.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr uintptr_t kBase = uintptr_t{1} << 40;
constexpr size_t kDescriptorBytes = 128;

TEST(ApartMetadataTest, WhatIsCommittedIsUsable) {
  MakeGuardKeys();
  MmapPageSource pages;
  ApartMetadata apart;
  ASSERT_TRUE(apart.Reserve(pages, kBase, 1024));
  for (size_t slices : {1, 64, 65, 1024}) {
    ASSERT_TRUE(apart.Commit(pages, slices));
    reinterpret_cast<char*>(apart.descriptors_end())[-1] = 1;
    *reinterpret_cast<char*>(apart.descriptors_end() -
                             slices * kDescriptorBytes) = 1;
    const void* last =
        reinterpret_cast<void*>(kBase + slices * kSliceSize - kMinAlignment);
    EXPECT_TRUE(apart.live().MarkLive(last, true));
    EXPECT_TRUE(apart.live().MarkFree(last, true));
  }
  apart.Release(pages);
}

TEST(ApartMetadataDeathTest, PagesAroundItFault) {
  MakeGuardKeys();
  MmapPageSource pages;
  ApartMetadata apart;
  ASSERT_TRUE(apart.Reserve(pages, kBase, 64));
  ASSERT_TRUE(apart.Commit(pages, 64));
  auto* end = reinterpret_cast<volatile char*>(apart.descriptors_end());
  EXPECT_DEATH(end[0] = 1, "");
  EXPECT_DEATH(end[-static_cast<ptrdiff_t>(64 * kDescriptorBytes) - 1] = 1, "");
  apart.Release(pages);
}

// Each reservation is another one's distance away.
TEST(ApartMetadataTest, PlaceIsRandom) {
  MakeGuardKeys();
  MmapPageSource pages;
  std::set<size_t> sizes;
  for (uintptr_t i = 0; i < 8; ++i) {
    ApartMetadata apart;
    ASSERT_TRUE(apart.Reserve(pages, kBase + (i << 32), size_t{1} << 18));
    sizes.insert(apart.reserved_bytes());
    apart.Release(pages);
  }
  EXPECT_GT(sizes.size(), 4U);
}

TEST(ApartMetadataTest, WithoutAddressesNothingIsLeft) {
  FakePageSource pages(size_t{1} << 20);
  pages.FailCall(0);
  ApartMetadata apart;
  EXPECT_FALSE(apart.Reserve(pages, kBase, 64));
}

}  // namespace
}  // namespace myonly::internal
